"""Texts of the catalogue: how an item reads as a reference, and how as a picture's prompt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from string import Formatter

import pyarrow as pa
from duckdb import DuckDBPyConnection

from feature_store.lake.lake import Lake
from feature_store.lake.sql import quote
from feature_store.schemas import text_id
from feature_store.tables.descriptions import STYLE, items_with_style
from feature_store.tables.text_fitting import CountUnread, fit_texts


class TemplateError(ValueError):
    """A template names a field that no item has."""


LONGEST_TEXT = 2_000
"""Characters; no text encoder reads so many, and the model refuses more."""
SEPARATOR = "chr(31)"
ITEMS_AT_ONCE = 4096
"""Items whose texts are in memory while an encoder counts their tokens."""
KINDS = ("reference", "target")


def read_all(texts: Sequence[str]) -> list[int]:
    """Count as an encoder does that reads every text to its end."""
    return [0] * len(texts)


def render_texts(
    lake: Lake,
    *,
    reference_template: str,
    target_template: str,
    reader: str = "",
    count_unread: CountUnread = read_all,
    longest: int = LONGEST_TEXT,
) -> int:
    """Write each item's texts and their ids by the templates, where templates, fields or the reader are new.

    Of a text that is too long for the reader fields are shortened (`text_fitting`).

    Args:
        lake: the lake whose items are rendered.
        reference_template: text of an item in a history, with fields in braces, for example
            `"{title}, {genres} film poster"`.
        target_template: text of an item that a picture is drawn of.
        reader: fingerprint of the text encoder that texts are for.
        count_unread: how many tokens of each text it would not read.
        longest: characters of a text.

    Returns:
        Number of items whose texts were written.

    Raises:
        TemplateError: if a template is malformed or names a field that no item has.
    """
    templates = dict(zip(KINDS, (reference_template, target_template), strict=True))
    # Pictures may be described meanwhile: what is counted below and what is written must be the same texts.
    items = items_with_style(lake.snapshot_id())
    known = _known_fields(lake, items)
    sql = {kind: template_sql(f"{kind}_template", templates[kind], known) for kind in KINDS}
    made = _made_sql(items, sql, f"{reader} {longest}")
    rows = lake.cursor().execute(made)
    num_changed, shortened = 0, list[pa.Table]()
    for batch in rows.to_arrow_reader(ITEMS_AT_ONCE):
        num_changed += batch.num_rows
        texts = pa.Table.from_batches([batch])
        shortened.append(fit_texts(texts, templates, count_unread, longest=longest))
    if num_changed:
        write = partial(_write, made=made, shortened=pa.concat_tables(shortened))
        lake.write(write, "render the items' texts")
    return num_changed


def _made_sql(items: str, sql: Mapping[str, str], told: str) -> str:
    """Write the SQL of the items whose texts are new: `item_id`, `fields`, texts, and the id of both texts.

    Args:
        items: relation of the items.
        sql: of each kind of text.
        told: what else the texts depend on.
    """
    whole = text_id(f" || {SEPARATOR} || ".join([*sql.values(), quote(told)]))
    texts = ", ".join(f"{text} AS {kind}" for kind, text in sql.items())
    columns = ", ".join(f"{kind} AS {kind}_text" for kind in sql)
    return (
        f"SELECT item_id, fields, {columns}, whole_id FROM (SELECT item_id, fields, rendered_id, {texts}, "
        f"{whole} AS whole_id FROM ({items})) WHERE rendered_id IS DISTINCT FROM whole_id"
    )


def _columns(text: str) -> dict[str, str]:
    """What is written of a text, in SQL; `cut` as of one that is read whole."""
    return {"text": text, "id": text_id(text), "cut": "0"}


def _write(connection: DuckDBPyConnection, *, made: str, shortened: pa.Table) -> None:
    """Write all texts that are new, then those of them that were shortened."""
    values = {
        f"{kind}_{what}": value for kind in KINDS for what, value in _columns(f"made.{kind}_text").items()
    }
    _update(connection, f"({made}) AS made", values | {"rendered_id": "made.whole_id"})
    if not shortened.num_rows:
        return
    connection.register("shortened", shortened)
    values = {
        f"{kind}_{what}": value
        for kind in KINDS
        for what, value in (_columns(f"made.{kind}_text") | {"cut": f"made.{kind}_cut"}).items()
    }
    _update(connection, "shortened AS made", values)
    connection.unregister("shortened")


def _update(connection: DuckDBPyConnection, made: str, values: Mapping[str, str]) -> None:
    """Set columns of the items that a relation `made` has."""
    assignments = ", ".join(f"{name} = {value}" for name, value in values.items())
    connection.execute(f"UPDATE items SET {assignments} FROM {made} WHERE items.item_id = made.item_id")


def list_cut(lake: Lake) -> list[str]:
    """Return the ids of items one of whose texts was shortened to what the text encoder reads."""
    rows = lake.query("SELECT item_id FROM items WHERE reference_cut > 0 OR target_cut > 0 ORDER BY item_id")
    return rows["item_id"].to_pylist()


def scan_texts(lake: Lake) -> pa.Table:
    """Return the distinct texts in use (`reference_id` int64, `text`): of histories and of targets."""
    return lake.query(
        "SELECT DISTINCT reference_id, reference_text AS text FROM items "
        "SEMI JOIN keyed.interactions USING (item_id) "
        "UNION SELECT DISTINCT target_id, target_text FROM items SEMI JOIN night.targets USING (item_id) "
        "ORDER BY 1"
    )


def scan_target_texts(lake: Lake) -> pa.Table:
    """Return the distinct texts of the catalogue's items as targets: `target_id` int64, `target_text`."""
    return lake.query(
        "SELECT DISTINCT target_id, target_text FROM items WHERE target_text IS NOT NULL ORDER BY 1"
    )


@dataclass(frozen=True, kw_only=True)
class ScoredItem:
    """An item, and how near its text as a target is to what was asked."""

    item_id: str
    title: str
    score: float
    """Cosine, -1 to 1."""


def items_of_texts(lake: Lake, target_ids: Sequence[int], scores: Sequence[float]) -> list[ScoredItem]:
    """Return the items of some texts in the order of the texts; items with the same text stand together."""
    connection = lake.cursor()
    found = {"target_id": target_ids, "score": scores, "place": range(len(target_ids))}
    connection.register("found", pa.table(found))
    rows = connection.execute(
        "SELECT item_id, title, score FROM found JOIN items USING (target_id) ORDER BY place, item_id"
    ).fetchall()
    return [ScoredItem(item_id=item_id, title=title, score=score) for item_id, title, score in rows]


def _known_fields(lake: Lake, items: str) -> list[str]:
    rows = lake.query(f"SELECT DISTINCT unnest(json_keys(fields)) AS field FROM ({items}) ORDER BY field")
    return rows["field"].to_pylist()


def template_sql(name: str, template: str, known_fields: list[str]) -> str:
    """Translate a template to SQL over `items.fields`; runs of white space become one space."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise TemplateError(
            f"{name} is malformed ({error}): write fields in braces, like {{title}}"
        ) from error
    pieces = []
    for literal, field, _, _ in parts:
        pieces.append(quote(literal))
        if field is not None:
            _check_field(name, field, known_fields)
            path = quote(f'$."{field}"')
            pieces.append(f"coalesce(json_extract_string(fields, {path}), '')")
    return f"trim(regexp_replace({' || '.join(pieces) or quote('')}, '\\s+', ' ', 'g'))"


def _check_field(name: str, field: str, known_fields: list[str]) -> None:
    if known_fields and field not in known_fields:
        remedy = f"use one of {', '.join(known_fields)}"
        if field == STYLE:
            remedy = f"run `fan ingest` and `fan describe`, or {remedy}"
        raise TemplateError(f"{name} names the field '{field}', which no item has: {remedy}")
