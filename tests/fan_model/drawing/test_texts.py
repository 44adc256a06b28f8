"""Which texts are drawn: a night and a service take the very same ones."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from fan_model.drawing.artist import Artist
from fan_model.drawing.limits import RequestLimits
from fan_model.drawing.personalizer import Personalizer
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions
from fan_model.drawing.texts import MAX_CHARACTERS, Text, Words, is_readable
from fan_model.request_errors import RequestError
from fan_model.service.messages.json_bodies import decode_json
from fan_model.service.messages.payloads import read_invocations_body
from fan_model.service.messages.request_rows import read_request
from tests.fan_model.pipelines import stable_diffusion

LIMITS = RequestLimits(max_characters=40)
ARTIST = Artist(
    [Personalizer(stable_diffusion(), limits=LIMITS)], encoder_fingerprint="e", pipeline_fingerprint="p"
)
ANY_CHARACTER = st.characters(exclude_categories=())
TEXTS = (
    st.text(ANY_CHARACTER, max_size=45)
    | st.builds("<{}>{}</{}>".format, st.text(max_size=3), st.text(max_size=20), st.text(max_size=3))
    | st.builds("{}.{}".format, st.text(max_size=20), st.sampled_from(["png", "JPEG", "svg", "webp "]))
    | st.text("\u200b\ufeff\0 \n\u3000", max_size=4)
)


def drawn_by_night(text):
    """The request that a night makes of a catalogue's texts, None if it is refused."""
    try:
        request = ArtworkRequest(prompt=text, references=(text,), weights=(2.5,))
        ARTIST.check([request], DrawingOptions())
    except ValueError:
        return None
    return request


def drawn_by_service(text):
    """The request that a service makes of a body, None if it is refused."""
    body = json.dumps({"inputs": [{"prompt": text, "references": [text], "weights": [2.5]}]}).encode()
    try:
        payload = read_invocations_body(decode_json(body, "application/json"), LIMITS.max_rows)
        return read_request(payload.rows[0], LIMITS, None).request
    except RequestError:
        return None


@given(TEXTS)
@example("<b>Night Train</b>")
@example("movie.png")
@example("half a pair: \ud83d")
@example("x" * 41)
def test_a_night_and_a_service_draw_the_same_texts(text):
    assert drawn_by_night(text) == drawn_by_service(text)


@given(TEXTS.filter(lambda text: any("!" <= character <= "~" for character in text)))
def test_a_text_with_a_letter_in_it_is_drawn_unless_it_is_too_long_or_no_unicode(text):
    is_fine = len(text) <= 40 and not any("\ud800" <= character <= "\udfff" for character in text)
    assert (drawn_by_night(text) is not None) == is_fine


@pytest.mark.parametrize("text", ["<b>Night Train</b>", "movie.png", "&lt;", "../../x.JPEG"])
def test_markup_and_names_of_files_are_words_to_draw(text):
    assert drawn_by_service(text).prompt == text


@pytest.mark.parametrize("text", ["", " \u3000", "\u200b\ufeff", "\0", "half a pair: \ud83d", "x" * 41])
def test_what_nobody_can_read_is_drawn_by_neither(text):
    assert drawn_by_night(text) is None
    assert drawn_by_service(text) is None


def test_no_deployment_lets_longer_texts_in_than_a_night():
    request = RequestLimits().parse_request({"prompt": "x" * MAX_CHARACTERS})
    assert len(request.prompt) == MAX_CHARACTERS
    with pytest.raises(ValueError, match="at most 2000 characters"):
        ArtworkRequest(prompt="x" * (MAX_CHARACTERS + 1))


def takes(rule, text):
    try:
        TypeAdapter(rule).validate_python(text, strict=True)
    except ValidationError:
        return False
    return True


@given(TEXTS | st.none() | st.integers() | st.binary(max_size=3))
@example("x" * MAX_CHARACTERS)
@example("x" * (MAX_CHARACTERS + 1))
@example("half a pair: \ud83d")
def test_what_columns_of_a_file_may_hold_is_what_a_field_may_hold(text):
    assert is_readable(text) == takes(Text, text)
    if isinstance(text, str) and len(text) <= MAX_CHARACTERS:
        assert is_readable(text, longest=len(text)) == is_readable(text)
        assert not is_readable(text, longest=len(text) - 1)


def test_a_text_that_may_be_empty_is_as_long_as_any_other():
    assert [takes(Words, "x" * length) for length in (0, MAX_CHARACTERS, MAX_CHARACTERS + 1)] == [
        True, True, False
    ]  # fmt: skip
