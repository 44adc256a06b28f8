"""What is wrong with settings, in words: every problem at once, with its line and the key that was meant."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from flows.settings_lines import Key, find_line

Problem = Mapping[str, Any]
"""What pydantic tells of one wrong value: its `type`, `loc`, `msg`, `input` and `ctx`."""
NO_SOURCES = {"missing", "too_short"}
"""What pydantic calls a list that is not there, and one with nothing in it."""
UNKNOWN_KEY = {"extra_forbidden", "unexpected_keyword_argument"}
"""What pydantic calls an unknown key, of a model and of a dataclass."""
ONE_TABLE = {"model_type", "model_attributes_type", "dataclass_type", "dataclass_exact_type"}
A_LIST = {"tuple_type", "list_type"}
WANTED = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("date_type", "date_parsing", "date_from_datetime_parsing"), "a day, as 2024-05-01"),
    **dict.fromkeys(("dict_type", "mapping_type"), "a table, as {{name = value}}"),
    **dict.fromkeys(ONE_TABLE, "a table"),
    **dict.fromkeys(A_LIST, "a list, in square brackets"),
    "date_from_datetime_inexact": "a day without a time, as 2024-05-01",
    "finite_number": "a finite number",
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
    "path_type": "a path in quotes",
    "string_type": "a text in quotes",
    "too_long": "a list of at most {max_length}",
    "too_short": "a list of at least {min_length}",
}
"""What a setting must be, by what pydantic calls it where it is not."""


def describe_problems(path: Path, error: ValidationError, settings: type[BaseModel]) -> str:
    """Say every problem of settings, each with its line, where the file has one.

    Args:
        path: the settings file.
        error: what is wrong with it, or with the environment.
        settings: the model of all settings, whose keys are named where another was meant.
    """
    return list_problems(path, say_problems(error.errors(include_url=False), settings))


def list_problems(path: Path, problems: Mapping[tuple[Key, ...], str]) -> str:
    """List what is wrong with each setting, with its line, where the file has one."""
    text = path.read_text(encoding="utf-8")
    lines = []
    for keys, message in problems.items():
        line = find_line(text, keys)
        place = f"line {line}, " if line else ""
        lines.append(f"  {place}{'.'.join(map(str, keys))}: {message}")
    return f"{path} (with the FAN_* variables):\n" + "\n".join(lines)


def find_mistaken(content: object, made: object, keys: tuple[Key, ...] = ()) -> dict[tuple[Key, ...], str]:
    """Say which settings are true or false where a number is wanted, or 1 or 0 where those are.

    Pydantic takes the ones for the others.

    Args:
        content: of the settings file, or a part of it.
        made: what pydantic made of it.
        keys: of the part.
    """
    if isinstance(content, int | float):
        is_mistaken = isinstance(made, int | float) and isinstance(content, bool) != isinstance(made, bool)
        wanted = "a number" if isinstance(content, bool) else "true or false"
        return {keys: f"holds {_held(content)}, and must be {wanted}"} if is_mistaken else {}
    parts: Iterable[tuple[Key, object, object]] = ()
    if isinstance(content, Mapping):
        inside = made if isinstance(made, Mapping) else getattr(made, "__dict__", {})
        parts = ((name, part, inside.get(name)) for name, part in content.items())
    elif isinstance(content, list | tuple) and isinstance(made, list | tuple):
        parts = ((place, *both) for place, both in enumerate(zip(content, made, strict=False)))
    found = (find_mistaken(part, inner, (*keys, key)) for key, part, inner in parts)
    return {key: told for some in found for key, told in some.items()}


def say_problems(
    errors: Iterable[Problem], settings: type[BaseModel] | None = None
) -> dict[tuple[Key, ...], str]:
    """Say what is wrong with each setting: what it holds, by its kind and no text of it, and must be.

    Args:
        errors: as pydantic tells them.
        settings: the model of all settings, if it is them.
    """
    wanted: dict[tuple[Key, ...], list[str]] = {}
    said: dict[tuple[Key, ...], list[str]] = {}
    for problem in errors:
        # Of a value that may be of several types, each type has its say under a name of its own.
        keys = tuple(part for part in problem["loc"] if isinstance(part, int) or part.isidentifier())
        sentence = _sentence(problem, keys, settings)
        if sentence is None:
            held = f"holds {_held(problem['input'])}, and must be "
            said.setdefault(keys, [held])
            wanted.setdefault(keys, []).append(_wanted(problem))
        else:
            said.setdefault(keys, []).append(sentence)
    if any(len(keys) > 1 and keys[0] == "sources" for keys in said):
        said.pop(("sources",), None)
    return {
        keys: ", or: ".join([sentences[0] + " or ".join(wanted.get(keys, [])), *sentences[1:]])
        for keys, sentences in said.items()
    }


def _sentence(problem: Problem, keys: Sequence[Key], settings: type[BaseModel] | None) -> str | None:
    """What is to be said of a problem that is not of what one value is; None of such a one."""
    kind, held = problem["type"], problem["input"]
    name = ".".join(str(key) for key in keys if isinstance(key, str))
    if kind in A_LIST and isinstance(held, Mapping):
        return f"is one table, and must be a list of tables: write [[{name}]], with two brackets"
    if kind in ONE_TABLE and isinstance(held, list):
        return f"is a list, and must be one table: write [{name}], with one bracket"
    if keys == ("sources",) and kind in NO_SOURCES | A_LIST:
        return "name at least one [[sources]] table, with adapter and path"
    if kind in UNKNOWN_KEY and settings is not None:
        return _unknown(keys, settings)
    if kind in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return "must be given"
    return None if kind in WANTED else problem["msg"].removeprefix("Value error, ")


def _wanted(problem: Problem) -> str:
    context: dict[str, Any] = problem.get("ctx", {})
    limits = {
        name: int(limit) if isinstance(limit, float) and limit.is_integer() else limit
        for name, limit in context.items()
    }
    return WANTED[problem["type"]].format_map(limits).replace("'", '"')


def _held(value: object) -> str:
    """What a setting holds: a number as it is, of a text only that it is one."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | date):
        return str(value)
    kinds = {str: "a text", list: "a list", tuple: "a list", dict: "a table"}
    return next((name for kind, name in kinds.items() if isinstance(value, kind)), "something else")


def _unknown(keys: Sequence[Key], settings: type[BaseModel]) -> str:
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
