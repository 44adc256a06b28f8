"""What a table of the settings file is, and what is said of one that cannot be used."""

from pydantic import BaseModel, ConfigDict


class SettingsError(ValueError):
    """The settings cannot be used; the message lists every offending key."""


class Section(BaseModel):
    """A table of the settings file."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Texts(Section):
    """How an item reads. Fields in braces are those of the adapter, for MovieLens title, genres and year."""

    reference_template: str = "{title}, {genres} film poster"
    """Text of an item in a user's history."""
    target_template: str = "{title}, {genres} film poster"
    """Prompt of an item that a picture is drawn of."""
