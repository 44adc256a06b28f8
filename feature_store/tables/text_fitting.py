"""Texts longer than a text encoder reads: the template's own words stay, and long fields are shortened."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from string import Formatter

import pyarrow as pa
from duckdb import DuckDBPyConnection

from feature_store.lake.lake import Lake
from feature_store.schemas import text_id

CountUnread = Callable[[Sequence[str]], Sequence[int]]
"""How many tokens of each text a text encoder would not read."""

ITEMS_PER_BATCH = 4096
ENDS = " ,;:.-/|([{"
"""What a shortened field does not end with."""
NOT_LOOKED_AT = "reference_cut IS NULL OR target_cut IS NULL"
FITTED = pa.schema(
    [
        ("item_id", pa.string()),
        *((f"{kind}_{what}", kind_of) for kind in ("reference", "target") for what, kind_of in (
            ("text", pa.string()), ("cut", pa.int32()),
        )),
    ]
)  # fmt: skip


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
    lake: Lake, count_unread: CountUnread, *, reference_template: str, target_template: str, longest: int
) -> int:
    """Shorten the texts of items that nobody has looked at yet, where an encoder would not read them whole.

    Args:
        lake: the lake whose items are looked at.
        count_unread: of the encoder.
        reference_template: as for `items.render_texts`.
        target_template: likewise.
        longest: characters of a text.

    Returns:
        Number of items one of whose texts was shortened.
    """
    templates = {"reference": reference_template, "target": target_template}
    num_shortened = 0
    while rows := _unseen_items(lake):
        fitted = _fit(rows, templates, count_unread, longest)
        lake.write(partial(_store, fitted=fitted), "fit the items' texts")
        num_shortened += sum(any(row[f"{kind}_cut"] for kind in templates) for row in fitted)
    return num_shortened


def _unseen_items(lake: Lake) -> list[dict[str, str]]:
    return lake.query(
        "SELECT item_id, fields, reference_text, target_text FROM items "
        f"WHERE {NOT_LOOKED_AT} ORDER BY item_id LIMIT {ITEMS_PER_BATCH}"
    ).to_pylist()


def _fit(
    rows: Sequence[Mapping[str, str]], templates: Mapping[str, str], count_unread: CountUnread, longest: int
) -> list[dict[str, object]]:
    """Return each item's texts, shortened where they must be, and how many tokens were too many."""
    fitted: list[dict[str, object]] = [{"item_id": row["item_id"]} for row in rows]

    def fits(text: str) -> bool:
        return len(text) <= longest and not count_unread([text])[0]

    for kind, template in templates.items():
        unread = count_unread([row[f"{kind}_text"] for row in rows])
        for row, mine, cut in zip(rows, fitted, unread, strict=True):
            fields = {name: str(value) for name, value in json.loads(row["fields"] or "{}").items()}
            text = row[f"{kind}_text"]
            if cut or len(text) >= longest:
                text, cut = shorten(template, fields, fits)[:longest], max(cut, 1)
            mine |= {f"{kind}_text": text, f"{kind}_cut": cut}
    return fitted


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


def _store(connection: DuckDBPyConnection, *, fitted: Sequence[Mapping[str, object]]) -> None:
    connection.register("fitted_texts", pa.Table.from_pylist(list(fitted), schema=FITTED))
    connection.execute(
        "UPDATE items SET reference_text = f.reference_text, reference_cut = f.reference_cut, "
        f"reference_id = {text_id('f.reference_text')}, target_text = f.target_text, "
        f"target_cut = f.target_cut, target_id = {text_id('f.target_text')} "
        "FROM fitted_texts AS f WHERE items.item_id = f.item_id"
    )
    connection.unregister("fitted_texts")
