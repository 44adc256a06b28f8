"""Write the tables of docs/sources.md from the adapters' own fields: `python -m docs.write_sources`."""

import ast
import inspect
import re
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from recsys_adapters.sources.catalogue import Catalogue
from recsys_adapters.sources.event_log import EventLog
from recsys_adapters.sources.file_source import FileSource
from recsys_adapters.sources.recommendations import Recommendations

PAGE = Path(__file__).with_name("sources.md")
KINDS: dict[str, type] = {
    "all three": FileSource,
    "event_log": EventLog,
    "catalogue": Catalogue,
    "recommendations": Recommendations,
}
HEAD = "| key | default | what it means |\n|---|---|---|"


def write_page(page: str) -> str:
    """Return the page with each table between its marks written anew."""
    for name, kind in KINDS.items():
        table = "\n".join([HEAD, *(_row(field, kind) for field in _own_fields(kind))])
        marks = rf"(<!-- keys of {name} -->\n).*?(<!-- end -->)"
        page = re.sub(
            marks, lambda found, table=table: found[1] + table + "\n" + found[2], page, flags=re.DOTALL
        )
    return page


def _own_fields(kind: type) -> list[Field[Any]]:
    shared = {field.name for field in fields(FileSource)} if kind is not FileSource else set()
    return [field for field in fields(kind) if field.name not in shared]


def _row(field: Field[Any], kind: type) -> str:
    meaning = " ".join(_meanings(kind)[field.name].split()).replace("|", "\\|")
    return f"| `{field.name}` | {_default(field)} | {meaning} |"


def _default(field: Field[Any]) -> str:
    value = field.default
    if field.default_factory is not MISSING:
        value = field.default_factory()
    if value is MISSING:
        return "must be given"
    words = {True: "true", False: "false", None: ""}
    text = words[value] if value is None or isinstance(value, bool) else repr(_plain(value))
    return f"`{text}`".replace("|", "\\|") if text else ""


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, str | int | float | dict) else str(value)


def _meanings(kind: type) -> dict[str, str]:
    """The text below each field."""
    (definition,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(definition, ast.ClassDef)
    body = definition.body
    return {
        field.target.id: text.value.value
        for field, text in zip(body, body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


if __name__ == "__main__":
    PAGE.write_text(write_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
