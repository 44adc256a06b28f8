"""The client, against the real application on a port of this machine."""

import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
import uvicorn

from fan_model.drawing.artist import Artist, DrawingOptions
from fan_model.drawing.personalizer import Personalizer
from fan_model.service.application import build_application
from fan_model.service.artwork_service import ArtworkService
from fan_model.service.client import ArtworkClient, ServiceRefusedError
from fan_model.service.deployment import Deployment
from tests.fan_model.pipelines import stable_diffusion
from tests.fan_model.service.picture_hooks import PNG

DEPLOYMENT = Deployment(
    options=DrawingOptions(num_inference_steps=1),
    stored_pictures={"factory": "tests.fan_model.service.picture_hooks:one_picture"},
)


@contextmanager
def serving(application):
    server = uvicorn.Server(uvicorn.Config(application, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def client():
    artist = Artist([Personalizer(stable_diffusion())], encoder_fingerprint="e", pipeline_fingerprint="p")
    with serving(build_application(ArtworkService(artist, DEPLOYMENT))) as port:
        yield ArtworkClient(address=f"http://127.0.0.1:{port}/")


def test_rows_become_pictures_with_what_the_service_says_of_them(client):
    rows = [{"prompt": "sea", "references": ["storm"], "seed": 1}, {"prompt": "sea", "seed": 2}]
    first, second = client.draw(rows, alpha=0.5)
    assert first.image.startswith(b"\x89PNG")
    assert (first.answer["seed"], second.answer["seed"]) == (1, 2)
    assert (first.answer["taste"], second.answer["taste"]) == ("given", "none: not asked for")


def test_the_picture_of_a_night_is_fetched_and_one_that_is_not_there_is_none(client):
    assert client.stored_picture("ann", "7/a") == PNG
    assert client.stored_picture("ann", "8 & 9") is None


def test_a_refusal_is_the_services_own_sentence(client):
    with pytest.raises(ServiceRefusedError, match="row 2: .*promt is unknown, did you mean prompt") as caught:
        client.draw([{"prompt": "sea"}, {"promt": "sea"}])
    assert caught.value.http_status == 400


@pytest.mark.parametrize(("num_refusals", "is_drawn"), [(2, True), (3, False)])
def test_a_busy_service_is_asked_again_and_not_for_ever(num_refusals, is_drawn):
    async def application(scope, receive, send):
        if scope["type"] != "http":
            return
        asked.append(scope["path"])
        is_busy = len(asked) <= num_refusals
        head = {"status": 503 if is_busy else 200, "headers": [(b"retry-after", b"0")]}
        body = b'{"message": "too much to do"}' if is_busy else PNG
        await send({"type": "http.response.start", **head})
        await send({"type": "http.response.body", "body": body})

    asked = []
    with serving(application) as port:
        client = ArtworkClient(address=f"http://127.0.0.1:{port}", max_tries=3)
        if is_drawn:
            assert client.stored_picture("ann", "1") == PNG
        else:
            with pytest.raises(ServiceRefusedError, match="too much to do"):
                client.stored_picture("ann", "1")
    assert asked == ["/pictures"] * 3


def test_a_service_that_is_not_there_is_an_error_of_the_connection():
    with pytest.raises(OSError, match="refused"):
        ArtworkClient(address="http://127.0.0.1:9").draw([{"prompt": "sea"}])


def test_the_client_needs_the_standard_library_only():
    code = (
        "import sys, fan_model.service.client; "
        "sys.exit(bool({'torch', 'fastapi', 'mlflow', 'numpy'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
