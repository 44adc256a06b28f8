"""What a table of the settings file is, and what is said of one that cannot be used."""

from pydantic import BaseModel, ConfigDict, field_validator


class SettingsError(ValueError):
    """The settings cannot be used; the message lists every offending key."""


def refuse_blank(value: object) -> object:
    """Refuse a text with nothing in it: a path would mean the folder of the settings, a name nobody.

    Raises:
        ValueError: if it is one.
    """
    if isinstance(value, str) and not value.strip():
        raise ValueError("is empty: fill it in, or leave it out")
    return value


class Section(BaseModel):
    """A table of the settings file, none of whose texts is empty."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
    _filled = field_validator("*", mode="before")(refuse_blank)


class Texts(Section):
    """How an item reads. Fields in braces are those of the adapter, for MovieLens title, genres and year."""

    reference_template: str = "{title}, {genres} film poster"
    """Text of an item in a user's history."""
    target_template: str = "{title}, {genres} film poster"
    """Prompt of an item that a picture is drawn of."""
