"""From a row to a request: given references, stored profiles, and users that cannot be looked up."""

import logging

import pytest

from fan_model.drawing.limits import RequestLimits
from fan_model.drawing.requests import ArtworkRequest, RequestError
from fan_model.service.request_rows import NoStoredProfilesError, read_request

LIMITS = RequestLimits()


def stored(user_id, prompt):
    return ([f"what {user_id} likes"], [2.0]) if user_id == "ann" else ([], [])


def out_of_order(user_id, prompt):
    raise OSError(f"cannot read the profile of {user_id}")


def test_a_user_without_references_is_given_the_stored_ones():
    request = read_request({"prompt": "x", "user_id": "ann", "seed": 3}, LIMITS, stored)
    assert request == ArtworkRequest(prompt="x", references=("what ann likes",), weights=(2.0,), seed=3)


@pytest.mark.parametrize("references", [[], ["other"]])
def test_references_that_are_given_are_used_even_if_there_are_none(references):
    row = {"prompt": "x", "user_id": "ann", "references": references}
    assert read_request(row, LIMITS, stored).references == tuple(references)


def test_a_user_is_nobody_where_no_profiles_are_stored():
    assert read_request({"prompt": "x", "user_id": "ann"}, LIMITS, None).references == ()


def test_profiles_that_cannot_be_read_are_the_services_fault_and_the_log_says_where_but_not_whose(caplog):
    with (
        caplog.at_level(logging.ERROR),
        pytest.raises(
            NoStoredProfilesError, match="user_id cannot be looked up now: give references"
        ) as caught,
    ):
        read_request({"prompt": "x", "user_id": "ann-4711"}, LIMITS, out_of_order)
    assert caught.value.http_status == 503
    assert "builtins.OSError at" in caplog.text
    assert "out_of_order" in caplog.text
    assert "4711" not in caplog.text


@pytest.mark.parametrize("user_id", ["ann\0", "\0", "", "u" * 257, "\ud800", 5, ["ann"]])
def test_a_user_id_that_no_database_would_find_is_the_callers_fault(user_id):
    with pytest.raises(RequestError, match="user_id must be a text of 1 to 256 characters, none of them NUL"):
        read_request({"prompt": "x", "user_id": user_id}, LIMITS, out_of_order)
