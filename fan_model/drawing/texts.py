"""Which texts are drawn: one rule for nights, services and callers of the library.

Text is text: a catalogue's `<b>Night Train</b>` and `movie.png` are words like any others. No text is ever
opened as a file or shown as markup, so that nobody needs to refuse one.
"""

from typing import Annotated

from pydantic import AfterValidator, Field

MAX_CHARACTERS = 2_000
"""Length of the longest text: far more than any text encoder reads."""


def check_unicode(text: str) -> str:
    """Return a text that can be written as UTF-8; half a surrogate pair, which JSON lets pass, cannot.

    Raises:
        ValueError: It cannot be written.
    """
    text.encode()
    return text


def check_visible(text: str) -> str:
    """Return a text with something to read in it, not only spaces, controls or marks of no width.

    Raises:
        ValueError: There is nothing to read.
    """
    if not any(character.isprintable() and character != " " for character in text):
        raise ValueError("there is nothing to read")
    return text


def is_readable(text: object, longest: int = MAX_CHARACTERS) -> bool:
    """Whether it is a text that can be drawn, as `Text` says it of fields."""
    if not isinstance(text, str) or len(text) > longest:
        return False
    try:
        return bool(check_visible(check_unicode(text)))
    except ValueError:
        return False


Words = Annotated[str, Field(max_length=MAX_CHARACTERS), AfterValidator(check_unicode)]
"""A text that may be empty."""
Text = Annotated[
    str,
    Field(min_length=1, max_length=MAX_CHARACTERS),
    AfterValidator(check_unicode),
    AfterValidator(check_visible),
]
"""A text with something to read in it: what a prompt and a reference must be."""
