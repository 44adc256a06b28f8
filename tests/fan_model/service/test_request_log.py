"""The log's words for a failure: types and places, no messages."""

from fan_model.service.request_log import tell_failure


def read_wish(wish):
    raise KeyError(wish)


def draw_wish(wish):
    try:
        read_wish(wish)
    except KeyError as error:
        raise RuntimeError(f"cannot draw {wish}") from error


def test_a_failure_is_told_with_its_causes_in_one_line_and_without_messages():
    try:
        draw_wish("private wish")
    except RuntimeError as error:
        told = tell_failure(error)
    assert told.startswith("builtins.RuntimeError at test_request_log.py:")
    assert ", after builtins.KeyError at test_request_log.py:" in told
    assert told.endswith(" read_wish")
    assert "private wish" not in told
    assert "\n" not in told
