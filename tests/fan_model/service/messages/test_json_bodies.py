"""Bodies as JSON: what is refused before anybody looks at its content."""

import pytest

from fan_model.request_errors import RequestError
from fan_model.service.messages.json_bodies import UnsupportedMediaTypeError, decode_json


@pytest.mark.parametrize("body", [b'{"inputs": [], "inputs": []}', b'{"inputs": [{"seed": 1, "seed": 2}]}'])
def test_a_field_that_is_named_twice_is_refused(body):
    with pytest.raises(RequestError, match="must not name a field twice"):
        decode_json(body, "application/json")


def test_the_character_set_beside_the_content_type_is_not_looked_at():
    assert decode_json(b'{"a": 1}', "Application/JSON; charset=utf-8") == {"a": 1}


def test_a_form_is_not_taken_for_json():
    with pytest.raises(UnsupportedMediaTypeError, match="Content-Type must be application/json"):
        decode_json(b"{}", "application/x-www-form-urlencoded")
