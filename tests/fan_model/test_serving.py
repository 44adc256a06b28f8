"""The registered model behind `fan serve` and behind MLflow's own server: one contract for both."""

import base64
import io
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import mlflow
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fan_model.service.registry import load_artist

pytestmark = pytest.mark.whole

ROW = {"prompt": "a quiet harbour", "references": ["neon city", "pastel sea"], "weights": [2, 1], "seed": 7}
QUICK = {"num_inference_steps": 2}


@pytest.fixture(scope="module")
def model(registry):
    return load_artist(tracking_uri=registry)


def image_of(prediction):
    return Image.open(io.BytesIO(base64.b64decode(prediction["image"], validate=True)))


def test_an_answer_holds_the_picture_and_what_it_was_made_of(server):
    (artwork,) = server.draw(ROW, **QUICK)
    assert set(artwork) == {
        "image", "mime_type", "references_used", "weights_used", "artwork_digest", "seed", "flagged",
        "taste", "unread_tokens",
    }  # fmt: skip
    assert "\n" not in artwork["image"]
    assert image_of(artwork).format == "PNG"
    assert dict(zip(artwork["references_used"], artwork["weights_used"], strict=True)) == pytest.approx(
        {"neon city": 2 / 3, "pastel sea": 1 / 3}
    )
    assert (artwork["mime_type"], artwork["seed"], artwork["flagged"]) == ("image/png", 7, False)


def test_a_service_gets_the_very_bytes_that_the_batch_draws(server, model):
    others = [{**ROW, "prompt": f"picture {number}", "seed": number} for number in range(5)]
    batch = model.predict(pd.DataFrame([*others, ROW]), params=QUICK)
    (alone,) = server.draw(ROW, **QUICK)
    assert base64.b64decode(alone["image"]) == batch["image"].iloc[-1]
    assert alone["artwork_digest"] == batch["artwork_digest"].iloc[-1]


def test_a_picture_says_where_it_comes_from_and_not_for_whom(server):
    (png,) = server.draw({**ROW, "user_id": "user-4711"}, **QUICK)
    (webp,) = server.draw({**ROW, "user_id": "user-4711"}, format="webp", **QUICK)
    for artwork in (png, webp):
        file = base64.b64decode(artwork["image"])
        assert artwork["artwork_digest"].encode() in file
        assert b"trainedAlgorithmicMedia" in file
        assert b"4711" not in file
    assert np.array_equal(image_of(png), image_of(webp))


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_records": [ROW]},
        {"dataframe_split": {"columns": list(ROW), "index": [0], "data": [list(ROW.values())]}},
        {"inputs": [ROW]},
        {"instances": [ROW]},
        {"inputs": ROW},
        {"inputs": {name: [value] for name, value in ROW.items()}},
        {"inputs": [{**ROW, "user_id": None}]},
    ],
)
def test_every_shape_of_mlflows_protocol_asks_for_the_same_picture(server, body):
    answer = server.post({**body, "params": QUICK})
    assert answer.status == 200
    assert answer.json()["predictions"] == server.draw(ROW, **QUICK)


def test_more_references_than_wanted_are_profiled(server):
    row = {"prompt": "a quiet harbour", "references": [f"taste {number}" for number in range(12)]}
    (artwork,) = server.draw(row, num_references=3, **QUICK)
    assert len(artwork["references_used"]) == 3


def test_a_blocked_text_is_flagged_and_has_no_picture(server):
    blocked, free = server.draw({**ROW, "references": ["FORBIDDEN   words", "x"]}, ROW, **QUICK)
    assert (blocked["flagged"], blocked["image"]) == (True, "")
    assert (free["flagged"], image_of(free).format) == (False, "PNG")


def test_requests_at_once_get_what_each_of_them_gets_alone(server):
    rows = [
        {"prompt": f"picture {number}", "references": [f"taste {number % 3}"], "seed": number}
        for number in range(12)
    ]
    alone = [server.draw(row, alpha=0.1 * (number % 3), **QUICK) for number, row in enumerate(rows)]
    with ThreadPoolExecutor(12) as pool:
        at_once = pool.map(
            lambda number: server.draw(rows[number], alpha=0.1 * (number % 3), **QUICK), range(12)
        )
    assert list(at_once) == alone


SECRET = "private wish"

REFUSED = {
    "an empty prompt": ({"prompt": ""}, {}, "prompt must be a text of 1 to 2000 characters"),
    "a prompt of spaces": ({"prompt": "  "}, {}, "prompt must be"),
    "no prompt": ({"references": ["x"]}, {}, "prompt must be"),
    "an overlong prompt": ({"prompt": SECRET * 1000}, {}, "1 to 2000 characters"),
    "a number as prompt": ({"prompt": 5}, {}, "prompt must be"),
    "too many references": ({"prompt": "x", "references": ["y"] * 10_000}, {}, "at most 50"),
    "an overlong reference": ({"prompt": "x", "references": [SECRET * 1000]}, {}, "references must be"),
    "a text as references": ({"prompt": "x", "references": SECRET}, {}, "references must be a list"),
    "mismatched weights": ({**ROW, "weights": [1]}, {}, "1 weights and 2 references"),
    "a zero weight": ({**ROW, "weights": [0, 1]}, {}, "weights[0] is refused"),
    "a negative weight": ({**ROW, "weights": [1, -2]}, {}, "weights[1] is refused"),
    "a weight that is no number": ({**ROW, "weights": [1, float("nan")]}, {}, "weights must be"),
    "an infinite weight": ({**ROW, "weights": [1, float("inf")]}, {}, "weights must be"),
    "a weight whose share is lost": ({**ROW, "weights": [1, 1e-300]}, {}, "a number from 1e-09 to 1e+09"),
    "a text as weight": ({**ROW, "weights": ["1", "2"]}, {}, "weights must be"),
    "a negative seed": ({**ROW, "seed": -1}, {}, "seed must be a whole number from 0"),
    "a seed beyond 64 bits": ({**ROW, "seed": 2**70}, {}, "seed must be"),
    "a number as user": ({**ROW, "user_id": 5}, {}, "user_id must be a text"),
    "an unknown field without a value": ({**ROW, SECRET: None}, {}, "a row must have no fields but"),
    "an unknown field": ({**ROW, SECRET: 1}, {}, "a row must have no fields but prompt"),
    "half a surrogate": ({"prompt": "\ud800"}, {}, "prompt must be"),
    "half a surrogate as user": ({"prompt": "x", "user_id": "\ud800"}, {}, "user_id must be a text"),
    "NUL as user": ({"prompt": "x", "user_id": f"{SECRET}\0"}, {}, "characters, none of them NUL"),
    "half a surrogate to avoid": (ROW, {"negative_prompt": "\ud800"}, "negative_prompt must be"),
    "nothing visible": ({"prompt": "\u200b\0"}, {}, "some of them visible"),
    "alpha below 0": (ROW, {"alpha": -0.1}, "alpha must be a number from 0 to 1"),
    "alpha above 1": (ROW, {"alpha": 2}, "alpha must be a number from 0 to 1"),
    "a text as alpha": (ROW, {"alpha": "0.3"}, "alpha must be"),
    "a truth as alpha": (ROW, {"alpha": True}, "alpha must be"),
    "a size that does not divide": (ROW, {"height": 13}, "height must be a multiple of"),
    "a huge size": (ROW, {"width": 1_000_000}, "width must be a multiple of"),
    "no steps": (ROW, {"num_inference_steps": 0}, "from 1 to 200"),
    "too many steps": (ROW, {"num_inference_steps": 10**9}, "from 1 to 200"),
    "half a step": (ROW, {"num_inference_steps": 2.5}, "num_inference_steps must be"),
    "no references wanted": (ROW, {"num_references": 0}, "num_references must be"),
    "too many references wanted": (ROW, {"num_references": 2**70}, "from 1 to 1000, or null"),
    "a layer that no encoder has": (ROW, {"skip_layers": [2**70]}, "each a whole number from 0 to 99"),
    "strong guidance": (ROW, {"guidance_scale": 1e9}, "a number from 1 to 50"),
    "a foreign format": (ROW, {"format": "bmp"}, "format must be png or webp"),
    "layers as a number": (ROW, {"skip_layers": 3}, "skip_layers must be a list"),
    "an unknown param": (ROW, {SECRET: 3}, "must have no fields but alpha"),
}


@pytest.mark.parametrize(
    ("path", "rows_key", "options_key"),
    [("/artworks", "rows", "options"), ("/invocations", "dataframe_records", "params")],
)
@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_a_bad_request_is_refused_in_one_sentence_that_repeats_nothing(
    server, case, path, rows_key, options_key
):
    row, options, sentence = REFUSED[case]
    answer = server.post({rows_key: [row], options_key: options}, path=path)
    assert answer.status == 400
    message = answer.json()["message"]
    assert sentence in message
    assert "\n" not in message
    assert "Traceback" not in message
    assert SECRET not in message


NOT_JSON = [
        (b"", "application/json", 400, "valid JSON"),
        (b"{not json}", "application/json", 400, "valid JSON"),
        (b'{"inputs": [{"prompt": "\xff\xfe"}]}', "application/json", 400, "valid UTF-8"),
        (b"[" * 100_000, "application/json", 400, "nested less"),
        (b'{"inputs": ' + b"9" * 10_000 + b"}", "application/json", 400, "valid JSON"),
        (b"[1, 2]", "application/json", 400, "a JSON object"),
        (b"prompt\nx", "text/csv", 415, "application/json"),
        (b'{"inputs": [{"prompt": "x"}]}', None, 415, "application/json"),
        (b" " * 5_000_000, "application/json", 413, "at most 4194304 bytes"),
        (b'{"inputs": [{"prompt": "x", "prompt": "y"}]}', "application/json", 400, "twice"),
]  # fmt: skip


@pytest.mark.parametrize("path", ["/artworks", "/invocations"])
@pytest.mark.parametrize(("body", "content_type", "status", "sentence"), NOT_JSON)
def test_a_body_that_is_no_json_is_refused_in_one_sentence(
    server, path, body, content_type, status, sentence
):
    answer = server.post(body, content_type, path)
    assert answer.status == status
    assert sentence in answer.json()["message"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "rows must be a list of objects"),
        ({"rows": {}}, "rows must be a list of objects"),
        ({"rows": []}, "rows must have 1 to 64 rows"),
        ({"rows": [ROW] * 65}, "rows must have 1 to 64 rows"),
        ({"rows": [1]}, "rows must be a list of objects"),
        ({"rows": [ROW], "options": []}, "options must be an object"),
        ({"rows": [ROW], "params": {}}, "the body must have no fields but rows, options: params is unknown"),
    ],
)
def test_a_body_of_the_services_own_of_another_shape_is_refused(server, body, sentence):
    answer = server.post(body, path="/artworks")
    assert answer.status == 400
    assert sentence in answer.json()["message"]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "sentence"),
    [
        (b"{}", "application/json", 400, "exactly one of"),
        (b'{"inputs": [{"prompt": "x"}], "instances": []}', "application/json", 400, "exactly one of"),
        (b'{"inputs": []}', "application/json", 400, "1 to 64 rows"),
        (b'{"inputs": [1]}', "application/json", 400, "list of prompts, or of objects"),
        (b'{"inputs": [{"prompt": "x"}], "params": []}', "application/json", 400, "params must be"),
        (b'{"inputs": [{"prompt": "x"}], "extra": 1}', "application/json", 400, "no fields but"),
        (b'{"inputs": [{"prompt": "x", "seed": 1e400}]}', "application/json", 400, "seed must be"),
    ],
)  # fmt: skip
def test_a_body_of_mlflows_protocol_of_another_shape_is_refused(server, body, content_type, status, sentence):
    answer = server.post(body, content_type)
    assert answer.status == status
    assert sentence in answer.json()["message"]


@pytest.mark.parametrize("path", ["/artworks", "/invocations"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_only_posts_are_taken(server, path, method):
    answer = server.ask(path, method=method)
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert answer.body == b"" if method == "HEAD" else answer.json()["message"] == "the method must be POST"


@pytest.mark.parametrize("path", ["/", "/artworks/", f"/{SECRET.replace(' ', '%20')}", "/docs/x"])
def test_an_unknown_path_is_refused_in_one_sentence(server, path):
    answer = server.ask(path)
    assert answer.status == 404
    assert answer.json() == {
        "error_code": "RESOURCE_DOES_NOT_EXIST",
        "message": "there is nothing at this path: /docs says what there is",
    }


def test_both_languages_get_the_same_picture(server):
    (artwork,) = server.draw(ROW, **QUICK)
    answer = server.post({"dataframe_records": [ROW], "params": QUICK})
    assert answer.json() == {"predictions": [artwork]}


def test_a_user_without_a_stored_profile_gets_the_plain_picture(server):
    (unknown,) = server.draw({"prompt": "a quiet harbour", "user_id": "user-4711"}, **QUICK)
    assert unknown.pop("taste") == "none: nothing is stored for this user"
    (plain,) = server.draw({"prompt": "a quiet harbour"}, **QUICK)
    assert plain.pop("taste") == "none: not asked for"
    assert unknown == plain


def test_a_server_says_that_it_is_alive_and_ready(server):
    assert server.ask("/health").json() == {"status": "alive"}
    assert server.ask("/ready").json() == {"status": "ready"}
    assert server.ask("/ping").status == 200
    assert server.ask("/version").body.decode() == mlflow.__version__


def test_the_docs_describe_every_field_with_its_default_and_an_example(server):
    page = server.ask("/docs").body.decode()
    assert "swagger" in page
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(loaded) >= 2
    assert all(path.startswith("/") and server.ask(path).status == 200 for path in loaded)
    types = server.ask("/openapi.json").json()["components"]["schemas"]
    row, options = (types[name]["properties"] for name in ("ArtworkRequest", "DrawingOptions"))
    assert set(row) == {"prompt", "references", "weights", "seed", "user_id"}
    assert row["references"]["maxItems"] == 50
    assert options["alpha"]["default"] == 0.3
    assert all(field["examples"] and field["description"] for field in [*row.values(), *options.values()])


def test_counters_go_up_with_requests_and_pictures(server):
    before = read_counters(server)
    server.draw({**ROW, "prompt": "forbidden words"}, ROW, **QUICK)
    server.post({"rows": [ROW, ROW], "options": {"alpha": 2}}, path="/artworks")
    after = read_counters(server)
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert grown['fan_pictures_total{outcome="drawn"}'] == 1
    assert grown['fan_pictures_total{outcome="flagged"}'] == 1
    assert grown['fan_pictures_total{outcome="refused"}'] == 2
    assert grown['fan_requests_total{path="/artworks",status="200"}'] == 1
    assert grown['fan_requests_total{path="/artworks",status="400"}'] == 1
    assert grown['fan_request_seconds_count{path="/artworks"}'] == 2
    assert after["fan_queue_pictures"] == 0


def read_counters(server):
    lines = server.ask("/metrics").body.decode().splitlines()
    return {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")
    }


def test_the_log_has_a_line_for_each_request_and_no_word_of_it(server):
    row = {"prompt": f"{SECRET} one", "references": [f"{SECRET} two"], "user_id": f"{SECRET} three"}
    options = {**QUICK, "negative_prompt": f"{SECRET} four"}
    answers = [
        server.post({"rows": [row], "options": options}, path="/artworks"),
        server.post({"inputs": [{**row, "weights": [SECRET]}]}),
        server.post({"inputs": [{"prompt": SECRET, "user_id": SECRET}], "params": QUICK}),
        server.ask(f"/users/{SECRET.replace(' ', '-')}"),
        server.ask(f"/health?user={SECRET.replace(' ', '-')}"),
    ]
    assert [answer.status for answer in answers] == [200, 400, 200, 404, 200]
    log = server.log.read_text()
    for answer in answers:
        assert f"request {answer.headers['X-Request-ID']} " in log
    assert SECRET not in log
    assert SECRET.replace(" ", "-") not in log


def test_an_idle_server_uses_no_processor_time(server):
    server.draw(ROW, **QUICK)
    time.sleep(0.5)
    before = server.cpu_seconds()
    time.sleep(4)
    assert server.cpu_seconds() - before < 0.06


def test_the_row_at_fault_is_named(server):
    answer = server.post({"inputs": [ROW, {"prompt": ""}]})
    assert answer.json()["message"].startswith("row 2: prompt must be")


def test_the_service_still_draws_after_all_that(server):
    assert server.post(json.dumps({"inputs": [ROW], "params": QUICK}).encode()).status == 200
