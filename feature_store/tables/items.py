"""Texts of the catalogue: how an item reads as a reference, and how as a picture's prompt."""

from string import Formatter

import pyarrow as pa

from feature_store.lake.lake import Lake
from feature_store.lake.sql import quote
from feature_store.schemas import text_id


class TemplateError(ValueError):
    """A template names a field that no item has."""


LONGEST_TEXT = 2_000
"""Characters; the rest of a text is cut off. No text encoder reads so many, and the model refuses more."""


def render_texts(
    lake: Lake, *, reference_template: str, target_template: str, longest: int = LONGEST_TEXT
) -> int:
    """Write each item's texts and their ids by the templates, where they differ from what is there.

    Args:
        lake: the lake whose items are rendered.
        reference_template: text of an item in a history, with fields in braces, for example
            `"{title}, {genres} film poster"`.
        target_template: text of an item that a picture is drawn of.
        longest: characters of a text; the rest is cut off.

    Returns:
        Number of items whose texts changed.

    Raises:
        TemplateError: if a template is malformed or names a field that no item has.
    """
    known = _known_fields(lake)
    reference = f"left({_template_sql('reference_template', reference_template, known)}, {longest})"
    target = f"left({_template_sql('target_template', target_template, known)}, {longest})"
    changed = (
        f"reference_text IS DISTINCT FROM {reference} OR target_text IS DISTINCT FROM {target} "
        "OR reference_id IS NULL OR target_id IS NULL"
    )
    num_changed = int(lake.query(f"SELECT count(*) AS n FROM items WHERE {changed}")["n"][0].as_py())
    if num_changed:
        assignments = (
            f"reference_text = {reference}, reference_id = {text_id(reference)}, "
            f"target_text = {target}, target_id = {text_id(target)}"
        )
        lake.write(
            lambda connection: connection.execute(f"UPDATE items SET {assignments} WHERE {changed}"),
            "render the items' texts",
        )
    return num_changed


def list_cut(lake: Lake, *, longest: int = LONGEST_TEXT) -> list[str]:
    """Return the ids of items one of whose texts is as long as may be: the rest of it was cut off."""
    rows = lake.query(
        "SELECT item_id FROM items WHERE greatest(length(reference_text), length(target_text)) >= ? "
        "ORDER BY item_id",
        [longest],
    )
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


def _template_sql(name: str, template: str, known_fields: list[str]) -> str:
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
