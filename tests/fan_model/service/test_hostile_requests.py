"""Requests of whatever content: each is answered in JSON, none fails inside, and memory stays."""

import json
import os
import random
import string
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from fan_model.drawing.artist import Artist, DrawingOptions
from fan_model.drawing.personalizer import Personalizer
from fan_model.service.application import build_application
from fan_model.service.artwork_service import ArtworkService
from fan_model.service.deployment import Deployment
from tests.fan_model.pipelines import stable_diffusion

GOOD = {"prompt": "a quiet harbour", "references": ["sea", "sand"], "weights": [2, 1], "seed": 7}
NAMES = (*GOOD, "user_id", "alpha", "format", "height", "num_inference_steps", "crowd", "__proto__", "")
METHODS = ("POST", "POST", "POST", "POST", "GET", "PUT", "DELETE", "OPTIONS")
PATHS = (
    "/artworks",
    "/artworks",
    "/invocations",
    "/invocations",
    "/",
    "/../etc/passwd",
    "/artworks/",
    "/docs",
)
LARGEST_GROWTH = 1.15


def value(chance, depth=0):
    """Anything that JSON can say, and some that it cannot."""
    kinds = [
        lambda: chance.choice([None, True, False, "", "\0", "\ud800", "../etc/passwd", "<script>", "NaN"]),
        lambda: chance.choice([0, -1, 2**63, 10**30, 1e308, -0.0, float("nan"), float("inf")]),
        lambda: "".join(chance.choices(string.printable + "Жé安\u202e", k=chance.randrange(40))),
        lambda: chance.choice(["long " * 1000, "a quiet harbour", ["sea"] * 3, [1, "2", None]]),
    ]
    if depth < 3:
        kinds += [
            lambda: [value(chance, depth + 1) for _ in range(chance.randrange(4))],
            lambda: {chance.choice(NAMES): value(chance, depth + 1) for _ in range(chance.randrange(4))},
        ]
    return chance.choice(kinds)()


def body(chance):
    """A request's body: nearly good, or nothing like it."""
    row = GOOD | ({chance.choice(NAMES): value(chance)} if chance.random() < 0.9 else {})
    content = chance.choice(
        [
            {"rows": [row] * chance.randrange(4), "options": {chance.choice(NAMES): value(chance)}},
            {"rows": [row]},
            {"dataframe_records": [row], "params": {"num_inference_steps": value(chance)}},
            {"inputs": value(chance)},
            value(chance),
        ]
    )
    text = json.dumps(content).encode("utf-8", "surrogatepass")
    if chance.random() < 0.2:
        text = text[: chance.randrange(len(text) + 1)] + chance.randbytes(chance.randrange(4))
    return text


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("number", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_every_request_is_answered_in_json_and_none_fails_inside(number):
    chance = random.Random(number)
    artist = Artist([Personalizer(stable_diffusion())], encoder_fingerprint="e", pipeline_fingerprint="p")
    deployment = Deployment(options=DrawingOptions(num_inference_steps=1), cache_bytes=2**20)
    application = build_application(ArtworkService(artist, deployment))
    warm = 0
    with TestClient(application, raise_server_exceptions=False) as client:
        for place in range(number):
            path = chance.choice(PATHS)
            answer = client.request(
                chance.choice(METHODS),
                path,
                content=body(chance),
                headers={"Content-Type": "application/json"},
            )
            assert answer.status_code not in (500, 502, 504), (place, answer.text)
            if path != "/docs" and answer.content:
                assert answer.headers["content-type"].startswith("application/json"), (place, path)
                answer.json()
            if answer.status_code in (429, 503):
                assert int(answer.headers["Retry-After"]) > 0
            if place == number // 5:
                warm = resident()
    assert resident() < LARGEST_GROWTH * warm
