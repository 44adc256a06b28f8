"""What is wrong with settings, in words: every problem at once, with its line and the key that was meant."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from pydantic import BaseModel, ValidationError

from flows.settings_lines import Key, find_line

NO_SOURCES = {"missing", "too_short"}
"""What pydantic calls a list that is not there, and one with nothing in it."""
UNKNOWN_KEY = {"extra_forbidden", "unexpected_keyword_argument"}
"""What pydantic calls an unknown key, of a model and of a dataclass."""


def describe_problems(path: Path, error: ValidationError, settings: type[BaseModel]) -> str:
    """Say every problem of settings, each with its line, where the file has one.

    Args:
        path: the settings file.
        error: what is wrong with it, or with the environment.
        settings: the model of all settings, whose keys are named where another was meant.
    """
    text = path.read_text(encoding="utf-8")
    said: dict[tuple[Key, ...], list[str]] = {}
    for problem in error.errors(include_url=False, include_input=False):
        # Of a value that may be of several types, each type has its say under a name of its own.
        keys = tuple(part for part in problem["loc"] if isinstance(part, int) or part.isidentifier())
        said.setdefault(keys, []).append(_say(problem["type"], problem["msg"], keys, settings))
    if any(len(keys) > 1 and keys[0] == "sources" for keys in said):
        said.pop(("sources",), None)
    lines = []
    for keys, messages in said.items():
        line = find_line(text, keys)
        place = f"line {line}, " if line else ""
        lines.append(f"  {place}{'.'.join(map(str, keys))}: {', or: '.join(messages)}")
    return f"{path} (with the FAN_* variables):\n" + "\n".join(lines)


def _say(kind: str, message: str, keys: Sequence[Key], settings: type[BaseModel]) -> str:
    """Say a problem of a kind that pydantic names, in the settings' words."""
    if kind in NO_SOURCES and keys == ("sources",):
        return "name at least one [[sources]] table, with adapter and path"
    if kind not in UNKNOWN_KEY:
        return message.removeprefix("Value error, ")
    *tables, key = map(str, keys)
    known = _keys_of(tables, settings)
    meant = get_close_matches(key, known, n=1) or [f"one of {', '.join(known)}"]
    return f"unknown key; did you mean {meant[0]}?"


def _keys_of(tables: Sequence[str], settings: type[BaseModel]) -> list[str]:
    """Name the keys of a table."""
    section: object = settings
    for table in tables:
        section = type(getattr(section, "model_fields", {})[table].default)
    names = getattr(section, "model_fields", None) or getattr(section, "__dataclass_fields__", {})
    return sorted(names)
