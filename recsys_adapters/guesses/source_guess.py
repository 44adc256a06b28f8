"""Which adapter reads a file or folder, and with which keys."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from os.path import commonprefix
from pathlib import Path

from recsys_adapters.errors import SourceFileError
from recsys_adapters.guesses.column_roles import guess_roles, guess_time_format
from recsys_adapters.guesses.file_looks import FileLook, SeenColumn, look_at_file
from recsys_adapters.sources.file_search import search_files
from recsys_adapters.sources.movielens import MovieLens

SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".json", ".jsonl", ".ndjson", ".parquet")
KIND_WEIGHTS: Mapping[str, float] = {
    "view": 1, "click": 1, "pv": 1, "impression": 0, "play": 2, "listen": 2, "like": 3, "fav": 3, "save": 3,
    "share": 3, "cart": 3, "addtocart": 3, "purchase": 5, "buy": 5, "order": 5, "transaction": 5,
    "rating": 1, "review": 1, "skip": -1, "dislike": -2, "remove": -1, "unlike": -2, "return": -3,
}  # fmt: skip
"""Weights of kinds of events to begin with; whoever knows the shop knows better."""
MOST_KINDS = 20
TEXT_WORDS = 6
"""Mean words of a value: a column of longer ones is a description, which no prompt has room for."""


@dataclass(frozen=True, kw_only=True)
class GuessedSource:
    """A `[[sources]]` table that reads some files, as far as they tell."""

    adapter: str
    path: Path
    keys: Mapping[str, object]
    """The adapter's keys but for its path."""
    item_fields: Sequence[str] = ()
    """Columns of a catalogue that a template may name, those that say much in few words."""


@dataclass(frozen=True, kw_only=True)
class UnguessedFile:
    """A file that no adapter seems to be for."""

    path: Path
    reason: str


def guess_sources(path: Path) -> list[GuessedSource | UnguessedFile]:
    """Guess how a file, or all files of a folder, are read.

    Raises:
        SourceFileError: if there are none.
    """
    if path.is_dir() and _is_movielens(path):
        return [GuessedSource(adapter="movielens", path=path, keys={})]
    files = [file.path for file in search_files(path, SUFFIXES).files if file.member is None]
    looks = [(file, _look(file)) for file in dict.fromkeys(files)]
    unread = [UnguessedFile(path=file, reason=look) for file, look in looks if isinstance(look, str)]
    read = [(file, look) for file, look in looks if isinstance(look, FileLook)]
    return [*_group(path, read), *unread]


def _group(folder: Path, looks: Sequence[tuple[Path, FileLook]]) -> Iterator[GuessedSource | UnguessedFile]:
    """Guess a source for the files of each layout."""
    layouts = groupby(sorted(looks, key=_layout), key=_layout)
    for _, group in layouts:
        alike = list(group)
        files = [file for file, _ in alike]
        where = files[0] if len(files) == 1 else _pattern(folder, files, is_all=len(files) == len(looks))
        yield _guess(where, alike[0][1])


def _layout(seen: tuple[Path, FileLook]) -> str:
    _, look = seen
    return repr((sorted(look.keys.items(), key=str), [column.name for column in look.columns]))


def _guess(path: Path, look: FileLook) -> GuessedSource | UnguessedFile:
    roles = guess_roles(look.columns)
    columns = {column.name: column for column in look.columns}
    if not {"user_id", "item_id"} <= set(roles):
        return _guess_catalogue(path, look, roles)
    if "rank" in roles or ("score" in roles and "event_time" not in roles):
        return GuessedSource(
            adapter="recommendations",
            path=path,
            keys={**look.keys, "columns": _only(roles, "user_id", "item_id", "rank", "score")},
        )
    return GuessedSource(adapter="event_log", path=path, keys={**look.keys, **_log_keys(roles, columns)})


def _log_keys(roles: Mapping[str, str], columns: Mapping[str, SeenColumn]) -> dict[str, object]:
    mapped = _only(roles, "user_id", "item_id", "event_time", "kind", "weight", "event_id")
    keys: dict[str, object] = {"columns": mapped}
    if "event_time" not in roles:
        keys["time_from"] = "order"
    else:
        keys["time_format"] = guess_time_format(columns[roles["event_time"]])
    kinds = columns[roles["kind"]].values if "kind" in roles else []
    if kinds and len(kinds) <= MOST_KINDS and all(isinstance(kind, str) for kind in kinds):
        keys["kinds"] = {str(kind): _kind_weight(str(kind)) for kind in kinds}
    return keys


def _guess_catalogue(path: Path, look: FileLook, roles: Mapping[str, str]) -> GuessedSource | UnguessedFile:
    if not {"item_id", "title"} <= set(roles) or "user_id" in roles:
        names = ", ".join(column.name for column in look.columns)
        return UnguessedFile(path=path, reason=f"no columns of users, items or titles among {names}")
    mapped = _only(roles, "item_id", "title", "stock_image_uri")
    fields = [
        column.name for column in look.columns if column.name not in mapped.values() and _is_short(column)
    ]
    return GuessedSource(
        adapter="catalogue", path=path, keys={**look.keys, "columns": mapped}, item_fields=["title", *fields]
    )


def _only(roles: Mapping[str, str], *wanted: str) -> dict[str, str]:
    return {role: roles[role] for role in wanted if role in roles}


def _kind_weight(kind: str) -> float:
    plain = "".join(filter(str.isalpha, kind.lower()))
    near = (weight for name, weight in KIND_WEIGHTS.items() if plain.startswith(name))
    return KIND_WEIGHTS.get(plain, next(near, 1))


def _is_short(column: SeenColumn) -> bool:
    """Whether a column's values are words that recur, as of a genre or a brand."""
    texts = [value for value in column.values if isinstance(value, str)]
    if not texts or column.sql_type != "VARCHAR":
        return False
    return sum(len(text.split()) for text in texts) / len(texts) <= TEXT_WORDS


def _is_movielens(folder: Path) -> bool:
    try:
        return {file.table for file in MovieLens(path=folder).files()} == {"items", "interactions"}
    except SourceFileError:
        return False


def _look(file: Path) -> FileLook | str:
    try:
        return look_at_file(file)
    except SourceFileError as error:
        return str(error)


def _pattern(folder: Path, files: Sequence[Path], *, is_all: bool) -> Path:
    """What means these files and no others: the folder, or a pattern of their names."""
    if is_all:
        return folder
    parents = {file.parent for file in files}
    parent = parents.pop() if len(parents) == 1 else folder / "**"
    return parent / f"{commonprefix([file.name for file in files])}*{files[0].suffix}"
