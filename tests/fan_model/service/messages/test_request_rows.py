"""From a row to a request: given references, stored profiles, and users that cannot be looked up."""

import logging

import pytest

from fan_model.drawing.limits import RequestLimits
from fan_model.drawing.requests import ArtworkRequest
from fan_model.request_errors import RequestError
from fan_model.service.messages.request_rows import NoStoredProfilesError, read_request

LIMITS = RequestLimits()


def stored(user_id, prompt):
    return ([f"what {user_id} likes"], [2.0]) if user_id == "ann" else ([], [])


def out_of_order(user_id, prompt):
    raise OSError(f"cannot read the profile of {user_id}")


def test_a_user_without_references_is_given_the_stored_ones():
    request, taste = read_request({"prompt": "x", "user_id": "ann", "seed": 3}, LIMITS, stored)
    assert request == ArtworkRequest(prompt="x", references=("what ann likes",), weights=(2.0,), seed=3)
    assert taste == "stored"


@pytest.mark.parametrize("references", [[], ["other"]])
def test_references_that_are_given_are_used_even_if_there_are_none(references):
    row = {"prompt": "x", "user_id": "ann", "references": references}
    request, taste = read_request(row, LIMITS, stored)
    assert request.references == tuple(references)
    assert taste == ("given" if references else "none: not asked for")


@pytest.mark.parametrize(("user_id", "profiles"), [("ann", None), ("bob", stored)])
def test_who_has_no_stored_profile_gets_a_plain_picture_and_is_told_why(user_id, profiles):
    request, taste = read_request({"prompt": "x", "user_id": user_id}, LIMITS, profiles)
    assert request.references == ()
    assert taste == "none: nothing is stored for this user"


def test_a_row_without_references_and_user_asks_for_no_taste():
    assert read_request({"prompt": "x"}, LIMITS, stored).taste == "none: not asked for"


def test_a_field_that_is_misspelt_is_named_with_the_one_that_was_meant():
    with pytest.raises(RequestError, match="promt is unknown, did you mean prompt\\?"):
        read_request({"promt": "x"}, LIMITS, None)


@pytest.mark.parametrize("name", ["<b>x</b>", "what ann likes most", "a" * 33, 5])
def test_a_field_that_may_be_a_text_is_counted_and_not_repeated(name):
    with pytest.raises(RequestError, match="user_id: 1 unknown$"):
        read_request({"prompt": "x", name: 1}, LIMITS, None)


@pytest.mark.parametrize("seed", [7.0, 2.0**53 - 1])
def test_a_whole_number_that_was_written_as_a_float_is_whole(seed):
    assert read_request({"prompt": "x", "seed": seed}, LIMITS, None).request.seed == int(seed)


@pytest.mark.parametrize("seed", [7.5, 2.0**53, float("nan"), float("inf")])
def test_a_float_that_is_not_exactly_one_whole_number_is_no_seed(seed):
    with pytest.raises(RequestError, match="seed must be a whole number"):
        read_request({"prompt": "x", "seed": seed}, LIMITS, None)


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
