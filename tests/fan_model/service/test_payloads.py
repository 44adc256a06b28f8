"""From the body of a request to what is asked: stored profiles, and objects that name a field twice."""

import logging

import pytest

from fan_model.drawing.limits import RequestLimits
from fan_model.drawing.requests import ArtworkRequest, RequestError
from fan_model.service.payloads import NoStoredProfilesError, decode_payload, encode_refusal, read_request

LIMITS = RequestLimits()


def stored(user_id, prompt):
    return ([f"what {user_id} likes"], [2.0]) if user_id == "ann" else ([], [])


def out_of_order(user_id, prompt):
    raise OSError("the lake is not there")


def test_a_user_without_references_is_given_the_stored_ones():
    request = read_request({"prompt": "x", "user_id": "ann", "seed": 3}, LIMITS, stored)
    assert request == ArtworkRequest(prompt="x", references=("what ann likes",), weights=(2.0,), seed=3)


@pytest.mark.parametrize("references", [[], ["other"]])
def test_references_that_are_given_are_used_even_if_there_are_none(references):
    row = {"prompt": "x", "user_id": "ann", "references": references}
    assert read_request(row, LIMITS, stored).references == tuple(references)


def test_a_user_is_nobody_where_no_profiles_are_stored():
    assert read_request({"prompt": "x", "user_id": "ann"}, LIMITS, None).references == ()


def test_profiles_that_cannot_be_read_are_the_services_fault_and_logged(caplog):
    with (
        caplog.at_level(logging.ERROR),
        pytest.raises(
            NoStoredProfilesError, match="user_id cannot be looked up now: give references"
        ) as caught,
    ):
        read_request({"prompt": "x", "user_id": "ann"}, LIMITS, out_of_order)
    assert caught.value.http_status == 503
    assert "the lake is not there" in caplog.text


@pytest.mark.parametrize("body", [b'{"inputs": [], "inputs": []}', b'{"inputs": [{"seed": 1, "seed": 2}]}'])
def test_a_field_that_is_named_twice_is_refused(body):
    with pytest.raises(RequestError, match="must not name a field twice"):
        decode_payload(body, "application/json", LIMITS)


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, b"INVALID_PARAMETER_VALUE"), (429, b"RESOURCE_EXHAUSTED"), (500, b"INTERNAL_ERROR")],
)
def test_a_refusal_has_mlflows_name_of_its_kind(status, code):
    assert code in encode_refusal(status, "why")
