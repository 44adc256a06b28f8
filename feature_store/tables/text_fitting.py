"""Texts longer than a text encoder reads: the template's own words stay, and long fields are shortened."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from string import Formatter

import pyarrow as pa

from feature_store.lake.sql import arrow_rows

CountUnread = Callable[[Sequence[str]], Sequence[int]]
"""How many tokens of each text a text encoder would not read."""

ENDS = " ,;:.-/|([{"
"""What a shortened field does not end with."""


def fill_template(template: str, fields: Mapping[str, str]) -> str:
    """Write a text as `items.render_texts` does; fields that an item lacks are empty."""
    parts = Formatter().parse(template)
    text = "".join(literal + (fields.get(field) or "" if field else "") for literal, field, _, _ in parts)
    return re.sub(r"\s+", " ", text, flags=re.ASCII).strip(" ")


def shorten(template: str, fields: Mapping[str, str], fits: Callable[[str], bool]) -> str:
    """Shorten fields, the longest first, until the text fits; its own words stay as they are.

    Args:
        template: the text with fields in braces.
        fields: an item's texts, by the names of the fields.
        fits: whether a text can be read to its end.

    Returns:
        The text; where the template alone is too long, that.
    """
    left = {field: fields.get(field) or "" for _, field, _, _ in Formatter().parse(template) if field}
    for field in sorted(left, key=lambda name: (-len(left[name]), name)):
        if fits(fill_template(template, {**left, field: ""})):
            return _shorten_field(template, left, field, fits)
        left[field] = ""
    return fill_template(template, left)


def fit_texts(
    items: pa.Table, templates: Mapping[str, str], count_unread: CountUnread, *, longest: int
) -> pa.Table:
    """Shorten texts that an encoder would not read whole.

    Args:
        items: `item_id`, `fields`, and of each kind of text `KIND_text`, whole.
        templates: by the kinds of texts.
        count_unread: of the encoder.
        longest: characters of a text.

    Returns:
        Of each item with a text that is too long: `item_id`, and of each kind `KIND_text` and `KIND_cut`, the
        tokens that were too many, at least 1 where a text was shortened.
    """

    def fits(text: str) -> bool:
        return len(text) <= longest and not count_unread([text])[0]

    rows = items.to_pylist()
    unread = {kind: count_unread([row[f"{kind}_text"] for row in rows]) for kind in templates}
    schema = pa.schema([("item_id", pa.string()), *(column for kind in templates for column in _made(kind))])
    shortened: list[tuple[str | int, ...]] = []
    for place, row in enumerate(rows):
        made: list[str | int] = [row["item_id"]]
        for kind, template in templates.items():
            text, cut = row[f"{kind}_text"], unread[kind][place]
            if cut or len(text) > longest:
                text, cut = shorten(template, _texts(row["fields"]), fits)[:longest], max(cut, 1)
            made += [text, cut]
        if any(made[2::2]):
            shortened.append(tuple(made))
    return arrow_rows(schema, shortened)


def _made(kind: str) -> Sequence[tuple[str, pa.DataType]]:
    """Columns of what is made of a kind of text."""
    return (f"{kind}_text", pa.string()), (f"{kind}_cut", pa.int32())


def _texts(fields: str | None) -> dict[str, str]:
    return {name: str(value) for name, value in json.loads(fields or "{}").items()}


def _shorten_field(template: str, fields: Mapping[str, str], field: str, fits: Callable[[str], bool]) -> str:
    """Return the text with as much of one field as fits, up to the end of a word if it has words."""
    value = fields[field]
    fitting, too_long = 0, len(value) + 1
    while too_long - fitting > 1:
        middle = (fitting + too_long) // 2
        if fits(fill_template(template, {**fields, field: value[:middle]})):
            fitting = middle
        else:
            too_long = middle
    kept = value[:fitting]
    if fitting < len(value) and not value[fitting].isspace() and " " in kept:
        kept = kept.rsplit(" ", 1)[0]
    return fill_template(template, {**fields, field: kept.rstrip(ENDS)})
