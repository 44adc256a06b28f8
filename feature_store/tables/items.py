"""Texts of the catalogue: how an item reads as a reference, and how as a picture's prompt."""

from string import Formatter

import pyarrow as pa

from feature_store.lake.lake import Lake
from feature_store.lake.sql import quote
from feature_store.schemas import text_id


class TemplateError(ValueError):
    """A template names a field that no item has."""


LONGEST_TEXT = 2_000
"""Characters; no text encoder reads so many, and the model refuses more."""
SEPARATOR = "chr(31)"


def render_texts(
    lake: Lake,
    *,
    reference_template: str,
    target_template: str,
    reader: str = "",
    longest: int = LONGEST_TEXT,
) -> int:
    """Write each item's texts and their ids by the templates, where templates, fields or the reader are new.

    What is too long for the reader is for `text_fitting.fit_texts` to shorten.

    Args:
        lake: the lake whose items are rendered.
        reference_template: text of an item in a history, with fields in braces, for example
            `"{title}, {genres} film poster"`.
        target_template: text of an item that a picture is drawn of.
        reader: fingerprint of the text encoder that texts are shortened for.
        longest: characters of a text; the rest is cut off.

    Returns:
        Number of items whose texts were written.

    Raises:
        TemplateError: if a template is malformed or names a field that no item has.
    """
    known = _known_fields(lake)
    reference = template_sql("reference_template", reference_template, known)
    target = template_sql("target_template", target_template, known)
    whole = f" || {SEPARATOR} || ".join([reference, target, quote(f"{reader} {longest}")])
    changed = f"rendered_id IS DISTINCT FROM {text_id(whole)}"
    num_changed = int(lake.query(f"SELECT count(*) AS n FROM items WHERE {changed}")["n"][0].as_py())
    if num_changed:
        texts = {"reference": f"left({reference}, {longest})", "target": f"left({target}, {longest})"}
        assignments = f"rendered_id = {text_id(whole)}, " + ", ".join(
            f"{kind}_text = {text}, {kind}_id = {text_id(text)}, {kind}_cut = NULL"
            for kind, text in texts.items()
        )
        lake.write(
            lambda connection: connection.execute(f"UPDATE items SET {assignments} WHERE {changed}"),
            "render the items' texts",
        )
    return num_changed


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
