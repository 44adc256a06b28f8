"""Texts of the catalogue: how an item reads as a reference, and how as a picture's prompt."""

from collections.abc import Mapping, Sequence
from functools import partial
from string import Formatter

import pyarrow as pa
from duckdb import DuckDBPyConnection

from feature_store.lake.lake import Lake
from feature_store.lake.sql import quote
from feature_store.schemas import text_id
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
    known = _known_fields(lake)
    sql = {kind: template_sql(f"{kind}_template", templates[kind], known) for kind in KINDS}
    whole = f" || {SEPARATOR} || ".join([*sql.values(), quote(f"{reader} {longest}")])
    changed = f"rendered_id IS DISTINCT FROM {text_id(whole)}"
    texts = ", ".join(f"{text} AS {kind}_text" for kind, text in sql.items())
    rows = lake.cursor().execute(f"SELECT item_id, fields, {texts} FROM items WHERE {changed}")
    num_changed, shortened = 0, []
    for batch in rows.to_arrow_reader(ITEMS_AT_ONCE):
        num_changed += batch.num_rows
        items = pa.Table.from_batches([batch])
        shortened += fit_texts(items, templates, count_unread, longest=longest)
    if num_changed:
        made = {f"{kind}_{what}": value for kind in KINDS for what, value in _columns(sql[kind]).items()}
        assignments = ", ".join(f"{name} = {value}" for name, value in made.items())
        update = f"UPDATE items SET rendered_id = {text_id(whole)}, {assignments} WHERE {changed}"
        lake.write(partial(_write, update=update, shortened=shortened), "render the items' texts")
    return num_changed


def _columns(text: str) -> dict[str, str]:
    """What is written of a text, in SQL; `cut` as of one that is read whole."""
    return {"text": text, "id": text_id(text), "cut": "0"}


def _write(connection: DuckDBPyConnection, *, update: str, shortened: Sequence[Mapping[str, object]]) -> None:
    """Write all texts that are new, then those of them that were shortened."""
    connection.execute(update)
    if not shortened:
        return
    connection.register("shortened", pa.Table.from_pylist([*shortened]))
    made = {
        f"{kind}_{what}": value
        for kind in KINDS
        for what, value in (_columns(f"short.{kind}_text") | {"cut": f"short.{kind}_cut"}).items()
    }
    assignments = ", ".join(f"{name} = {value}" for name, value in made.items())
    connection.execute(
        f"UPDATE items SET {assignments} FROM shortened AS short WHERE items.item_id = short.item_id"
    )
    connection.unregister("shortened")


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


def _known_fields(lake: Lake) -> list[str]:
    rows = lake.query("SELECT DISTINCT unnest(json_keys(fields)) AS field FROM items ORDER BY field")
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
        raise TemplateError(
            f"{name} names the field '{field}', which no item has: use one of {', '.join(known_fields)}"
        )
