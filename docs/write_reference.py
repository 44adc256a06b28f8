"""Write docs/reference from the commands and the settings themselves: `python -m docs.write_reference`."""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from flows.cli.program import app
from flows.settings import Settings

FOLDER = Path(__file__).with_name("reference")
MARK = "<!-- Written by `python -m docs.write_reference` from {source}: change it there. -->\n\n"
ABOUT_COMMANDS = """\
# Commands

Every command takes `--settings FILE` and `--help`. An error is one line, and exit status 1; a night that is
published and of which something is missing exits with 3.
"""
ABOUT_SETTINGS = """\
# Settings

Of `fan.toml`; `FAN_*` variables win over it, with two underscores between table and key:
`FAN_DRAWING__ALPHA=0.4`. Keys of `[[sources]]` are on a page of their own: [sources](../sources.md).
"""
RANGES = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}


def write_pages() -> dict[Path, str]:
    """Return the content of each page."""
    commands = "\n".join(_commands(typer.main.get_command(app)))
    settings = "\n".join(_settings(Settings.model_json_schema()))
    return {
        FOLDER / "commands.md": MARK.format(source="flows/cli") + commands,
        FOLDER / "settings.md": MARK.format(source="flows/settings.py") + settings,
    }


def _commands(program: TyperCommand | TyperGroup) -> Iterator[str]:
    yield ABOUT_COMMANDS
    yield from _command("fan", program)


def _command(name: str, command: TyperCommand | TyperGroup) -> Iterator[str]:
    if isinstance(command, TyperGroup):
        for below, one in command.commands.items():
            yield from _command(f"{name} {below}", one)
        return
    arguments = [one for one in command.params if isinstance(one, TyperArgument)]
    usage = " ".join([name, *(_usage(one) for one in arguments)])
    yield f"## {usage}\n\n{inspect.cleandoc(command.help or '')}\n"
    rows = [one for one in command.params if "--settings" not in one.opts and "--help" not in one.opts]
    if rows:
        yield "| | |\n|---|---|"
        yield from map(_parameter, rows)
        yield ""


def _usage(argument: TyperArgument) -> str:
    name = (argument.name or "").upper() + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _parameter(parameter: TyperArgument | TyperOption) -> str:
    is_argument = isinstance(parameter, TyperArgument)
    name = (parameter.name or "").upper() if is_argument else ", ".join(parameter.opts)
    told = " ".join((getattr(parameter, "help", None) or "").split())
    default = parameter.default
    if not is_argument and not callable(default) and default not in (None, False, ()):
        told += f" Default: `{getattr(default, 'value', default)}`."
    return "| `{}` | {} |".format(name, told.replace("|", "\\|"))


def _settings(schema: Mapping[str, Any]) -> Iterator[str]:
    yield ABOUT_SETTINGS
    tables = {name: key for name, key in schema["properties"].items() if _section(key, schema)}
    yield from _table(
        "At the top", {k: v for k, v in schema["properties"].items() if k not in tables}, schema
    )
    for name, key in tables.items():
        yield from _section_table(name, _section(key, schema) or {}, schema)


def _section_table(name: str, section: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    title = f"[{name}]"
    below = {key: of for key, value in section["properties"].items() if (of := _section(value, schema))}
    plain = {key: value for key, value in section["properties"].items() if key not in below}
    yield from _table(title, plain, schema, section.get("description", ""))
    for key, inner in below.items():
        yield from _section_table(f"{name}.{key}", inner, schema)


def _section(key: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The table that a key holds, if it holds one."""
    reference = key.get("$ref") or next((one["$ref"] for one in key.get("anyOf", ()) if "$ref" in one), None)
    return schema["$defs"][reference.rsplit("/", 1)[1]] if reference else None


def _table(title: str, keys: Mapping[str, Any], schema: Mapping[str, Any], about: str = "") -> Iterator[str]:
    yield f"## {title}\n"
    if about:
        yield f"{' '.join(about.split())}\n"
    yield "| key | default | what it means |\n|---|---|---|"
    for name, key in keys.items():
        told = " ".join([*key.get("description", "").split(), *_limits(key)]).replace("|", "\\|")
        yield f"| `{name}` | {_default(key)} | {told} |"
    yield ""


def _default(key: Mapping[str, Any]) -> str:
    value = key.get("default")
    if "default" not in key:
        return "must be given"
    words = {True: "true", False: "false"}
    text = words[value] if isinstance(value, bool) else repr(value).replace("'", '"')
    return "" if value is None else f"`{text}`".replace("|", "\\|")


def _limits(key: Mapping[str, Any]) -> list[str]:
    kinds = [key, *key.get("anyOf", ())]
    limits = [text.format(kind[name]) for kind in kinds for name, text in RANGES.items() if name in kind]
    choices = [f"`{choice}`" for kind in kinds for choice in kind.get("enum", ())]
    told = [f"({', '.join(limits)})"] if limits else []
    return told + ([f"One of {', '.join(choices)}."] if choices else [])


if __name__ == "__main__":
    for page, content in write_pages().items():
        page.write_text(content, encoding="utf-8")
