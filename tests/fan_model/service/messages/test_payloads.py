"""The two languages: rows and options in bodies, and the names of what is wrong."""

import pytest

from fan_model.request_errors import RequestError
from fan_model.service.messages.payloads import encode_refusal, read_artworks_body, read_invocations_body

ROW = {"prompt": "x", "seed": 3}


def test_the_services_own_body_has_rows_and_options():
    payload = read_artworks_body({"rows": [ROW], "options": {"alpha": 0.5}}, 2)
    assert payload == ([ROW], {"alpha": 0.5})
    assert read_artworks_body({"rows": [ROW]}, 2).options == {}


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_records": [ROW]},
        {"dataframe_split": {"columns": ["prompt", "seed"], "data": [["x", 3]]}},
        {"inputs": ROW},
        {"instances": {"prompt": ["x"], "seed": [3]}},
    ],
)
def test_all_shapes_of_mlflows_body_have_the_same_rows(body):
    assert read_invocations_body({**body, "params": {"alpha": 0.5}}, 2) == ([ROW], {"alpha": 0.5})


@pytest.mark.parametrize("key", ["inputs", "instances", "dataframe_records"])
def test_a_list_of_texts_is_one_of_prompts(key):
    assert read_invocations_body({key: ["x", "y"]}, 2).rows == [{"prompt": "x"}, {"prompt": "y"}]


@pytest.mark.parametrize("rows", [["x", 1], ["x", {}], [], "x", 1])
def test_what_is_no_list_of_prompts_is_refused_with_an_example(rows):
    with pytest.raises(RequestError, match=r'(\[\{"prompt": "\.\.\."\}\]|1 to 2 rows)$'):
        read_invocations_body({"inputs": rows}, 2)


@pytest.mark.parametrize(
    ("read", "key"), [(read_artworks_body, "rows"), (read_invocations_body, "dataframe_records")]
)
@pytest.mark.parametrize("num_rows", [0, 3])
def test_no_rows_or_too_many_are_refused(read, key, num_rows):
    with pytest.raises(RequestError, match=f"{key} must have 1 to 2 rows"):
        read({key: [ROW] * num_rows}, 2)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, b"INVALID_PARAMETER_VALUE"),
        (404, b"RESOURCE_DOES_NOT_EXIST"),
        (429, b"RESOURCE_EXHAUSTED"),
        (500, b"INTERNAL_ERROR"),
        (503, b"TEMPORARILY_UNAVAILABLE"),
    ],
)
def test_a_refusal_has_mlflows_name_of_its_kind(status, code):
    assert code in encode_refusal(status, "why")
