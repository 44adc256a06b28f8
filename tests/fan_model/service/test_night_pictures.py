"""`GET /pictures`: what nights have drawn, handed out by user and item."""

import hashlib
import json
import logging

import pytest
from starlette.testclient import TestClient

from fan_model.drawing.artist import Artist
from fan_model.drawing.personalizer import Personalizer
from fan_model.service.application import build_application
from fan_model.service.artwork_service import ArtworkService
from fan_model.service.callers.refusal_pace import RefusalPace
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


TOKEN = {"Authorization": "Bearer secret"}


def bobs_client(artist, folder, **settings):
    digest = hashlib.sha256(b"secret").hexdigest()
    file = folder / "tokens.toml"
    file.write_text(f'[[tokens]]\nname = "app"\nsha256 = "{digest}"\nusers = ["bob"]\n')
    return client_of(artist, tokens_file=str(file), **settings)


def test_a_token_hands_out_only_its_own_users_pictures(artist, tmp_path):
    client = bobs_client(artist, tmp_path)
    assert client.get("/pictures", params=ANNS).status_code == 401
    assert client.get("/pictures", params=ANNS, headers=TOKEN).status_code == 403
    assert client.get("/pictures", params={**ANNS, "user_id": "bob"}, headers=TOKEN).status_code == 404


BOBS = {**ANNS, "user_id": "bob"}


def test_refusals_are_paced_by_token_or_address_and_what_was_not_drawn_is_no_refusal(
    artist, tmp_path, monkeypatch
):
    held = []

    async def hold(_, caller):
        held.append(caller)

    monkeypatch.setattr(RefusalPace, "hold", hold)
    client = bobs_client(artist, tmp_path)
    client.get("/pictures", params=BOBS, headers=TOKEN)
    assert held == []
    client.get("/pictures", params=ANNS, headers=TOKEN)
    client.get("/pictures", params={"user_id": "bob"}, headers=TOKEN)
    client.get("/pictures", params=BOBS, headers={"Authorization": "Bearer guess"})
    assert held == ["app", "app", "testclient"]


def test_every_refusal_is_described_with_its_type(artist, tmp_path):
    client = bobs_client(artist, tmp_path)
    refused = [
        client.get("/pictures", params=ANNS),
        client.get("/pictures", params=ANNS, headers=TOKEN),
        client.get("/pictures", headers=TOKEN),
        client.get("/pictures", params=BOBS, headers=TOKEN),
        bobs_client(artist, tmp_path, hook="always_failing").get("/pictures", params=BOBS, headers=TOKEN),
    ]
    described = client.get("/openapi.json").json()["paths"]["/pictures"]["get"]
    typed = {status for status, told in described["responses"].items() if "RefusalBody" in json.dumps(told)}
    assert typed == {str(answer.status_code) for answer in refused} == {"400", "401", "403", "404", "503"}
    assert set(described["responses"]) == {"200", "304", *typed}
    assert described["description"] == "Hand out the picture that nights have drawn for a user and an item."
