"""The application by itself: slow bodies, callers who hang up, lookups and drawings that fail."""

import asyncio
import hashlib
import json
import logging
import re
import time
from types import SimpleNamespace

import jsonschema
import pytest
import torch
from starlette.testclient import TestClient

from fan_model.drawing.artist import Artist, DrawingOptions
from fan_model.drawing.personalizer import Personalizer
from fan_model.service import application
from fan_model.service.application import build_application
from fan_model.service.artwork_service import ArtworkService
from fan_model.service.callers.refusal_pace import RefusalPace
from fan_model.service.deployment import Deployment
from fan_model.service.drawing_queue import QueueTooSlowError
from fan_model.service.messages import json_bodies
from fan_model.service.messages.payloads import Payload
from tests.fan_model.pipelines import stable_diffusion

QUICK = DrawingOptions(num_inference_steps=1)
ROW = {"prompt": "a quiet harbour", "references": ["sea"]}
NO_LAKE = "feature_store.tables.stored_profiles:StoredProfiles"


class SlowArtist(Artist):
    """An artist who takes time, remembers which seeds were drawn, and fails at one of them."""

    seconds = 0.0
    failing_seed = 13

    def draw_each(self, requests, options, **how):
        self.__dict__.setdefault("seeds", []).extend(request.seed for request in requests)
        time.sleep(self.seconds)
        if self.failing_seed in (request.seed for request in requests):
            raise RuntimeError(f"cannot draw {requests[0].prompt}")
        return super().draw_each(requests, options, **how)


@pytest.fixture
def artist():
    return SlowArtist([Personalizer(stable_diffusion())], encoder_fingerprint="e", pipeline_fingerprint="p")


def service_of(artist, hook=None, **settings):
    profiles = None if hook is None else {"factory": hook} if isinstance(hook, str) else hook
    return ArtworkService(artist, Deployment(options=QUICK, stored_profiles=profiles, **settings))


def client_of(artist, hook=None, **settings):
    return TestClient(build_application(service_of(artist, hook, **settings)))


def exchange(application, *messages):
    """Send messages to the application as a server does, the last one again and again; return its answer."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/artworks",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    waiting, sent = list(messages), []

    async def receive():
        await asyncio.sleep(0.001)
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    async def send(message):
        sent.append(message)

    async def run():
        await application(scope, receive, send)
        return sent[0]["status"], sent[1]["body"]

    return run()


async def begun(service):
    """Wait until a picture is being drawn."""
    async with asyncio.timeout(60):
        while not service.queue.num_owed:
            await asyncio.sleep(0.001)


PART = {"type": "http.request", "body": b" ", "more_body": True}
GONE = {"type": "http.disconnect"}


def whole(*rows):
    return {"type": "http.request", "body": json.dumps({"rows": rows}).encode(), "more_body": False}


def test_a_body_that_does_not_end_is_given_up(artist, monkeypatch):
    monkeypatch.setattr(json_bodies, "BODY_SECONDS", 0.01)
    status, body = asyncio.run(exchange(build_application(service_of(artist)), PART))
    assert status == 408
    assert b"the body must arrive within" in body


def test_a_body_that_is_cut_off_is_refused(artist):
    status, body = asyncio.run(exchange(build_application(service_of(artist)), PART, GONE))
    assert status == 400
    assert b"the body must arrive whole" in body


def test_nobody_draws_for_a_caller_who_hung_up(artist):
    artist.seconds = 0.2
    service = service_of(artist)
    application = build_application(service)

    async def hang_up_in_the_queue():
        first = asyncio.create_task(exchange(application, whole({**ROW, "seed": 1}), PART))
        await begun(service)
        status, _ = await exchange(application, whole({**ROW, "seed": 2}), GONE)
        return status, await first

    status, (first_status, _) = asyncio.run(hang_up_in_the_queue())
    assert (status, first_status) == (499, 200)
    assert artist.seeds == [1]
    assert service.queue.num_owed == 0


def test_more_rows_than_the_queue_has_room_for_are_too_many_at_any_time(artist):
    refusal = client_of(artist, max_queued_pictures=2).post("/artworks", json={"rows": [ROW] * 3})
    assert refusal.status_code == 400
    assert refusal.json()["message"] == "rows must have 1 to 2 rows"


FAILING = "tests.fan_model.service.profile_hooks:always_failing"


@pytest.mark.parametrize("num_rows", [1, 2])
def test_a_lookup_that_fails_is_worth_another_try_later_and_names_no_user(artist, caplog, num_rows):
    rows = [ROW] * (num_rows - 1) + [{"prompt": "private wish", "user_id": "user-4711"}]
    with caplog.at_level(logging.INFO):
        refusal = client_of(artist, FAILING).post("/artworks", json={"rows": rows})
    assert refusal.status_code == 503
    assert int(refusal.headers["Retry-After"]) > 0
    assert "user_id cannot be looked up now" in refusal.json()["message"]
    assert "profile_hooks.py" in caplog.text
    for secret in ("4711", "private wish"):
        assert secret not in caplog.text + refusal.text


def test_an_answer_says_how_much_of_a_prompt_was_not_read_and_why_a_picture_is_plain(artist):
    rows = [{"prompt": "sea " * 200}, {**ROW, "prompt": "sea"}]
    long, short = client_of(artist).post("/artworks", json={"rows": rows}).json()["artworks"]
    assert long["unread_tokens"] > 100
    assert long["taste"] == "none: not asked for"
    assert (short["unread_tokens"], short["taste"]) == (0, "given")


def test_bodies_that_are_sent_and_answered_are_of_the_types_that_the_description_names(artist):
    client = client_of(artist)
    named = client.get("/openapi.json").json()["components"]["schemas"]

    def check(content, kind):
        jsonschema.validate(content, {**named[kind], "additionalProperties": False})

    check(ROW, "ArtworkRequest")
    check({"alpha": 0.4, "format": "png"}, "DrawingOptions")
    (answer,) = client.post("/artworks", json={"rows": [ROW]}).json()["artworks"]
    check(answer, "Answer")
    check(client.post("/artworks", json={"rows": []}).json(), "RefusalBody")


def test_every_type_that_the_description_speaks_of_is_in_it(artist):
    text = client_of(artist).get("/openapi.json").text
    named = json.loads(text)["components"]["schemas"]
    spoken_of = set(re.findall(r'"\$ref":"#/components/schemas/(\w+)"', text))
    assert {"ArtworkRequest", "DrawingOptions", "Answer", "RefusalBody"} <= spoken_of <= set(named)


def test_a_full_queue_says_when_to_come_back(artist):
    artist.seconds = 0.3
    service = service_of(artist, max_queued_pictures=1)
    application = build_application(service)

    async def overfill():
        first = asyncio.create_task(exchange(application, whole(ROW), PART))
        await begun(service)
        refused = await exchange(application, whole(ROW), PART)
        return refused, await first

    (status, body), (first_status, _) = asyncio.run(overfill())
    assert (status, first_status) == (429, 200)
    assert b"room for 1 pictures and is full" in body


def test_a_drawing_that_fails_is_told_in_one_sentence_and_the_log_has_the_place(artist, caplog):
    client = client_of(artist)
    with caplog.at_level(logging.INFO):
        failed = client.post("/artworks", json={"rows": [{"prompt": "private wish", "seed": 13}]})
    assert failed.status_code == 500
    assert failed.json()["message"] == "the service failed, and its log says where: please try again"
    assert f"request {failed.headers['X-Request-ID']} failed: builtins.RuntimeError at" in caplog.text
    assert "private wish" not in caplog.text + failed.text
    assert client.post("/artworks", json={"rows": [ROW]}).status_code == 200


def test_a_service_without_a_lake_is_alive_but_not_ready(artist, tmp_path):
    client = client_of(artist, {"factory": NO_LAKE, "folder": str(tmp_path / "nowhere")})
    assert client.get("/health").status_code == 200
    refusal = client.get("/ready")
    assert refusal.status_code == 503
    assert "Retry-After" in refusal.headers
    assert "the stored profiles cannot be read" in refusal.json()["message"]
    described = client.get("/openapi.json").json()["paths"]["/ready"]["get"]["responses"]
    assert [*described] == ["200", "503"]
    assert described["503"]["content"]["application/json"]["schema"]["$ref"].endswith("/RefusalBody")
    assert client.post("/artworks", json={"rows": [ROW]}).status_code == 200


@pytest.mark.parametrize("hook", [None, "tests.fan_model.service.profile_hooks:always_empty"])
def test_a_service_whose_profiles_can_be_read_or_are_not_wanted_is_ready(artist, hook):
    assert client_of(artist, hook).get("/ready").json() == {"status": "ready"}


def test_a_service_that_stops_finishes_the_batch_in_hand(artist):
    artist.seconds = 0.2
    service = service_of(artist)

    async def stop_while_drawing():
        drawing = asyncio.create_task(exchange(build_application(service), whole(ROW), PART))
        await begun(service)
        await asyncio.sleep(0.05)  # Until the batch is in the artist's hand.
        await service.close()
        return await drawing

    assert asyncio.run(stop_while_drawing())[0] == 200


def test_a_model_that_gives_no_picture_is_said_so_and_others_are_answered(monkeypatch):
    pipeline = stable_diffusion()
    artist = SlowArtist([Personalizer(pipeline)], encoder_fingerprint="e", pipeline_fingerprint="p")
    decode = pipeline.vae.decode

    def give_no_numbers(latents, **options):
        decoded = decode(latents, **options)
        decoded[0][:] = float("nan")
        return decoded

    with client_of(artist) as client:
        assert client.post("/artworks", json={"rows": [ROW]}).status_code == 200
        monkeypatch.setattr(pipeline.vae, "decode", give_no_numbers)
        refused = client.post("/artworks", json={"rows": [ROW]})
        assert refused.status_code == 500
        assert "not finite" in refused.json()["message"]


def test_a_device_without_memory_for_a_request_is_busy_and_the_next_request_is_drawn(artist, monkeypatch):
    unet = artist.personalizer.pipeline.unet
    forward = unet.forward
    rows = []

    def run_out(sample, *given, **options):
        rows.append(len(sample))
        if len(sample) >= 16:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(sample, *given, **options)

    monkeypatch.setattr(unet, "forward", run_out)
    eight = [{"prompt": "harbour", "seed": seed} for seed in range(20, 28)]
    with client_of(artist) as client:
        assert client.post("/artworks", json={"rows": eight[:1]}).status_code == 200  # its speed is known now
        monkeypatch.setattr("fan_model.service.drawing_queue.DEAREST_IN_BATCH", 1e9)
        monkeypatch.setattr("fan_model.service.drawing_queue.LONGEST_BATCH", 1e9)
        refused = client.post("/artworks", json={"rows": eight})
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert "no memory for 8 pictures at a time: try again" in refused.text
        assert client.post("/artworks", json={"rows": eight}).status_code == 200
    assert rows.count(16) == 1


def test_where_tokens_are_needed_a_request_without_one_is_challenged(artist, tmp_path):
    token = "t0ken"
    digest = hashlib.sha256(token.encode()).hexdigest()
    (tmp_path / "tokens.toml").write_text(f'[[tokens]]\nname = "web"\nsha256 = "{digest}"\nusers = ["1"]\n')
    client = client_of(artist, tokens_file=str(tmp_path / "tokens.toml"))
    refused = client.post("/artworks", json={"rows": [ROW]})
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert refused.json()["error_code"] == "UNAUTHENTICATED"
    known = {"Authorization": f"Bearer {token}"}
    assert client.post("/artworks", json={"rows": [ROW]}, headers=known).status_code == 200
    others = {"rows": [{"prompt": "x", "user_id": "2"}]}
    assert client.post("/artworks", json=others, headers=known).status_code == 403
    assert client.get("/health").status_code == 200


def test_refusals_are_paced_by_token_and_those_without_a_known_one_by_address(artist, tmp_path, monkeypatch):
    held = []

    async def hold(_, caller):
        held.append(caller)

    monkeypatch.setattr(RefusalPace, "hold", hold)
    digest = hashlib.sha256(b"t0ken").hexdigest()
    (tmp_path / "tokens.toml").write_text(f'[[tokens]]\nname = "web"\nsha256 = "{digest}"\n')
    client = client_of(artist, tokens_file=str(tmp_path / "tokens.toml"))
    for token in ("t0ken", "guess"):
        client.post("/artworks", json={"rows": []}, headers={"Authorization": f"Bearer {token}"})
    assert held == ["web", "testclient"]


def test_what_the_body_took_to_arrive_is_taken_off_the_wait(artist, monkeypatch):
    clock = SimpleNamespace(monotonic=iter([1000.0, 1060.0]).__next__)
    monkeypatch.setattr(application, "time", clock)
    refused = client_of(artist, max_wait_seconds=50.0).post("/artworks", json={"rows": [ROW]})
    assert refused.status_code == 503
    assert "too busy to draw within 50 s" in refused.text


@pytest.mark.parametrize("waited", [0.0, 60.0])
def test_nobody_is_kept_longer_than_the_wait_with_what_they_have_waited_already(artist, waited):
    service = service_of(artist, max_wait_seconds=50.0)
    drawing = service.draw(Payload([ROW], {}), "options", waited=waited)
    if not waited:
        assert len(asyncio.run(drawing)) == 1
        return
    with pytest.raises(QueueTooSlowError, match="too busy to draw within 50 s"):
        asyncio.run(drawing)
