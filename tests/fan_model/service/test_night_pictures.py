"""`GET /pictures`: what nights have drawn, handed out by user and item."""

import hashlib
import logging

import pytest
from starlette.testclient import TestClient

from fan_model.drawing.artist import Artist
from fan_model.drawing.personalizer import Personalizer
from fan_model.service.application import build_application
from fan_model.service.artwork_service import ArtworkService
from fan_model.service.deployment import Deployment
from tests.fan_model.pipelines import stable_diffusion
from tests.fan_model.service.picture_hooks import PNG

HOOKS = "tests.fan_model.service.picture_hooks"
ANNS = {"user_id": "ann", "item_id": "7/a"}


@pytest.fixture(scope="module")
def artist():
    return Artist([Personalizer(stable_diffusion())], encoder_fingerprint="e", pipeline_fingerprint="p")


def client_of(artist, hook="one_picture", **settings):
    stored = {"factory": f"{HOOKS}:{hook}"} if isinstance(hook, str) else hook
    deployment = Deployment(stored_pictures=stored, **settings)
    return TestClient(build_application(ArtworkService(artist, deployment)))


def test_the_picture_of_a_user_and_an_item_is_the_stored_file(artist):
    answer = client_of(artist).get("/pictures", params=ANNS)
    assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (200, PNG, "image/png")
    assert answer.headers["Cache-Control"] == "private, no-cache"


def test_a_file_that_is_no_png_is_webp(artist):
    hook = {"factory": f"{HOOKS}:one_picture", "file": b"RIFF"}
    assert client_of(artist, hook).get("/pictures", params=ANNS).headers["Content-Type"] == "image/webp"


def test_who_has_the_picture_already_is_not_sent_it_again(artist):
    client = client_of(artist)
    tag = client.get("/pictures", params=ANNS).headers["ETag"]
    again = client.get("/pictures", params=ANNS, headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert client.get("/pictures", params=ANNS, headers={"If-None-Match": '"old"'}).status_code == 200


@pytest.mark.parametrize("hook", ["one_picture", None])
@pytest.mark.parametrize("asked", [{**ANNS, "user_id": "bob"}, {**ANNS, "item_id": "8"}])
def test_what_was_not_drawn_is_not_found(artist, hook, asked):
    answer = client_of(artist, hook).get("/pictures", params=asked)
    assert answer.status_code == 404
    assert answer.json()["message"] == "there is no picture of this item for this user: show its stock image"


@pytest.mark.parametrize("missing", ["user_id", "item_id"])
def test_both_ids_are_needed(artist, missing):
    asked = {name: value for name, value in ANNS.items() if name != missing}
    answer = client_of(artist).get("/pictures", params=asked)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(f"{missing} must be a text of 1 to 256 characters")


def test_a_lookup_that_fails_is_worth_another_try_and_names_nobody(artist, caplog):
    with caplog.at_level(logging.INFO, logger="fan_model"):
        asked = {"user_id": "user-4711", "item_id": "item-4711"}
        answer = client_of(artist, "always_failing").get("/pictures", params=asked)
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert "picture_hooks.py" in caplog.text
    told = [record.getMessage() for record in caplog.records if record.name.startswith("fan_model")]
    assert "4711" not in "".join(told) + answer.text


def test_a_token_hands_out_only_its_own_users_pictures(artist, tmp_path):
    digest = hashlib.sha256(b"secret").hexdigest()
    file = tmp_path / "tokens.toml"
    file.write_text(f'[[tokens]]\nname = "app"\nsha256 = "{digest}"\nusers = ["bob"]\n')
    client = client_of(artist, tokens_file=str(file))
    token = {"Authorization": "Bearer secret"}
    assert client.get("/pictures", params=ANNS).status_code == 401
    assert client.get("/pictures", params=ANNS, headers=token).status_code == 403
    assert client.get("/pictures", params={**ANNS, "user_id": "bob"}, headers=token).status_code == 404
