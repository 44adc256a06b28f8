"""The first settings file for data of one's own: what was found in the files, written down with remarks."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recsys_adapters.data_sets.recipe_files import DataSetRecipe
from recsys_adapters.guesses.source_guess import GuessedSource, UnguessedFile, guess_sources
from recsys_adapters.sources.file_search import PACKERS

HEAD = """\
# Settings of the nightly, begun by `fan init`. What is not named here has its default; FAN_* variables win
# over this file. Relative paths start at this file's folder. `fan check` says whether a night would run.

workspace = "workspace"
max_users = 100            # draw for the first 100 users; "all" draws for everybody
"""
TAIL = """
[profile]
min_references = 20
max_references = 20
distinctive = true         # prefer what sets the user apart from everybody

[model]
pipeline = "bundled"       # or the folder of a diffusers pipeline, or a hub id

[drawing]
alpha = 0.55               # 0 draws the item only, 1 the taste only
keep_words = true          # the item's own words stay; leave the line out where a language model reads
contrast = 0               # above 0: how far to go along what sets a user apart, in place of alpha
skip_layers = []           # for the bundled model; leave the line out with others
"""
REMARKS = {
    "columns": "the column of each role",
    "time_format": "auto takes each value for what it looks like",
    "time_from": "no column of times was found: the order of the log stands for them",
    "kinds": "weights to begin with; below zero is dislike, a kind that is not named is refused",
    "names": "no line names the columns: give them names of your own",
}
"""What is said beside a key."""
MOST_FIELDS = 3


class NothingFoundError(LookupError):
    """No file says who did what with which item."""


@dataclass(frozen=True, kw_only=True)
class FirstSettings:
    """A settings file to begin with."""

    toml: str
    told: Sequence[str]
    """What was found, a line for each source and for each file that no adapter seems to be for."""


def draft_settings(paths: Sequence[Path], base: Path) -> FirstSettings:
    """Look at files and folders, and write the settings that read them.

    Args:
        paths: absolute ones.
        base: the folder of the settings file; what lies in it is named from there.

    Raises:
        NothingFoundError: if no log of events, and no list of recommendations, is among them.
        SourceFileError: if a path has no files.
    """
    guesses = [guess for path in paths for guess in guess_sources(path)]
    sources = [guess for guess in guesses if isinstance(guess, GuessedSource)]
    told = [_tell(guess) for guess in guesses]
    if not any(source.adapter != "catalogue" for source in sources):
        raise NothingFoundError(
            "; ".join(["none of the files says who did what with which item", *told])
            + ". Name the log itself, or describe it by hand (docs/sources.md)"
        )
    return FirstSettings(toml="".join(_write(sources, base)), told=told)


def draft_from_recipe(recipe: DataSetRecipe, folder: Path) -> FirstSettings:
    """Write the settings that read a data set in a folder, by its recipe."""
    missing: list[str] = []
    lines = [_place(line, folder, missing) for line in recipe.toml.splitlines()]
    remark = "".join(f"# {line}\n" for line in [recipe.name, *recipe.remark.splitlines()])
    toml = "\n".join([HEAD + remark, *lines]) + "\n" + TAIL
    told = [
        f"{folder} has no {name}: write what the file is called there into the settings" for name in missing
    ]
    return FirstSettings(toml=toml, told=[f"{recipe.name} in {folder}", *told])


def _place(line: str, folder: Path, missing: list[str]) -> str:
    """Let a recipe's path start where its files are in the folder; what is nowhere goes to the missing."""
    key, is_path, value = line.partition("path = ")
    if not is_path or key:
        return line
    name = json.loads(value)
    found = _find(folder, name)
    if found is None:
        missing.append(name)
    return f"path = {json.dumps(str(found or folder / name), ensure_ascii=False)}"


def _find(folder: Path, name: str) -> Path | None:
    """The name in the folder, or in the one folder below it that has it; it may be packed."""
    if not folder.is_dir():
        return None
    for packed in (name, *(name + packer for packer in PACKERS)):
        parents = {file.parent for file in folder.rglob(packed)}
        if folder in parents:
            return folder / packed
        if len(parents) == 1:
            return parents.pop() / packed
    return None


def _write(sources: Sequence[GuessedSource], base: Path) -> Iterator[str]:
    yield HEAD
    for source, name in zip(sources, _names(sources), strict=True):
        path = source.path.relative_to(base) if source.path.is_relative_to(base) else source.path
        yield f'\n[[sources]]\nadapter = "{source.adapter}"\npath = {_toml(str(path))}\n'
        if name:
            yield f"source = {_toml(name)}  # what the lake calls it: several have one adapter\n"
        for key, value in source.keys.items():
            remark = REMARKS.get(key)
            yield f"{key} = {_toml(value)}{f'  # {remark}' if remark else ''}\n"
        yield from (f"# {remark}\n" for remark in source.remarks)
    yield from _texts(sources)
    method = "given" if any(source.adapter == "recommendations" for source in sources) else "recommender"
    remark = 'or "latest", or "given": recommendation lists only'
    yield f'\n[targets]\nmethod = "{method}"     # {remark}\nper_user = 2\n'
    yield TAIL


def _names(sources: Sequence[GuessedSource]) -> list[str]:
    """What each source is to be called, after its files, where several have one adapter; none for others."""
    times = Counter(source.adapter for source in sources)
    number: Counter[str] = Counter()
    names = []
    for source in sources:
        stem = re.sub(r"\W+", "_", source.path.name.split(".")[0]).strip("_") or source.adapter
        number[stem] += 1
        name = stem if number[stem] == 1 else f"{stem}_{number[stem]}"
        names.append(name if times[source.adapter] > 1 else "")
    return names


def _texts(sources: Sequence[GuessedSource]) -> Iterator[str]:
    """Write the templates by the fields that the catalogues have."""
    catalogues = [source for source in sources if source.adapter == "catalogue"]
    if not catalogues:
        return
    fields = list(dict.fromkeys(field for source in catalogues for field in source.item_fields))
    template = ", ".join(f"{{{field}}}" for field in fields[:MOST_FIELDS])
    yield f'\n[texts]\n# fields: {", ".join(fields)}; say what a picture of an item is, too: "... poster"\n'
    yield f"reference_template = {_toml(template)}\ntarget_template = {_toml(template)}\n"


def _tell(guess: GuessedSource | UnguessedFile) -> str:
    if isinstance(guess, UnguessedFile):
        return f"{guess.path}: not read: {guess.reason}"
    columns = guess.keys.get("columns")
    roles = columns.items() if isinstance(columns, Mapping) else ()
    told = ", ".join(f"{role} = {name}" for role, name in roles)
    return f"{guess.path}: {guess.adapter}{f' ({told})' if told else ''}"


def _toml(value: object) -> str:
    """Write a value as TOML does."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(str(key))} = {_toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _key(key: str) -> str:
    return key if key.isidentifier() and key.isascii() else json.dumps(key, ensure_ascii=False)
