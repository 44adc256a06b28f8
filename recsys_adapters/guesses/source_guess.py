"""Which adapter reads a file or folder, and with which keys."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from glob import escape
from itertools import groupby
from os.path import commonprefix
from pathlib import Path
from typing import cast

from recsys_adapters.errors import SourceFileError
from recsys_adapters.guesses.column_roles import (
    SeenColumn,
    guess_roles,
    guess_time_format,
    is_recommended,
    own_id,
)
from recsys_adapters.guesses.file_looks import FileLook, look_at_file
from recsys_adapters.sources.file_search import FoundFile, search_files
from recsys_adapters.sources.file_source import FileFormat, FileSource
from recsys_adapters.sources.movielens import NOT_READ, MovieLens, has_its_columns

SUFFIXES = (
    ".csv", ".tsv", ".txt", ".dat", ".inter", ".item", ".json", ".jsonl", ".ndjson", ".parquet", ".parq",
    ".pq",
)  # fmt: skip
KIND_WEIGHTS: Mapping[str, float] = {
    "view": 1, "click": 1, "pv": 1, "impression": 0, "play": 2, "listen": 2, "like": 3, "fav": 3, "save": 3,
    "share": 3, "cart": 3, "addtocart": 3, "purchase": 5, "buy": 5, "order": 5, "transaction": 5,
    "rating": 1, "review": 1,
}  # fmt: skip
"""Weights of kinds of events, by how they begin, to begin with; whoever knows the shop knows better."""
UNLIKING_WEIGHTS: Mapping[str, float] = {
    "fail": 0, "declin": 0, "abandon": 0, "refund": -3, "return": -3, "cancel": -3, "chargeback": -3,
    "dislike": -2, "unlike": -2, "unfav": -2, "unfollow": -2, "unsave": -2, "unsubscri": -2, "thumbsdown": -2,
    "thumbdown": -2, "downvote": -2, "notinterest": -2, "notlike": -2, "notrelevant": -2, "negative": -2,
    "reject": -2, "dismiss": -2, "hide": -2, "skip": -1, "remov": -1, "delet": -1,
}  # fmt: skip
"""Weights of what takes a kind back, wherever it stands in its name: it is no order that is refunded."""
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
    remarks: Sequence[str] = ()
    """What the keys leave open, for whoever goes through them."""


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
    movielens = _movielens_files(path) if path.is_dir() else ()
    found = [file for file in search_files(path, SUFFIXES).files if file.path not in movielens]
    if not movielens:
        return _guess_files(path, found)
    beside = [file.path for file in found if file.name in NOT_READ]
    others = [file for file in found if file.name not in NOT_READ]
    reason = "of MovieLens ratings and films alone are read"
    told = [UnguessedFile(path=file, reason=reason) for file in beside]
    return [GuessedSource(adapter="movielens", path=path, keys={}), *_guess_files(path, others), *told]


def _guess_files(path: Path, found: Sequence[FoundFile]) -> list[GuessedSource | UnguessedFile]:
    """Guess how files that were found in a path are read."""
    members = Counter(file.path for file in found)
    # Of an archive of one file the archive itself is named, as a file that is packed in any other way.
    files = [file.path if members[file.path] == 1 else file.place for file in found]
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
        look = _merged([look for _, look in alike])
        where = _pattern(folder, files, str(look.keys["format"]))
        for each in [where] if where else files:
            yield _guess(each, look)


def _merged(looks: Sequence[FileLook]) -> FileLook:
    """What files of one layout look like together: each may have values that the others lack."""
    columns = [
        replace(alike[0], values=[value for column in alike for value in column.values])
        for alike in zip(*(look.columns for look in looks), strict=True)
    ]
    return FileLook(keys=looks[0].keys, columns=columns)


def _layout(seen: tuple[Path, FileLook]) -> str:
    _, look = seen
    return repr((sorted(look.keys.items(), key=str), [column.name for column in look.columns]))


def _guess(path: Path, look: FileLook) -> GuessedSource | UnguessedFile:
    roles = guess_roles(look.columns)
    columns = {column.name: column for column in look.columns}
    if not {"user_id", "item_id"} <= set(roles):
        return _guess_catalogue(path, look, roles)
    if is_recommended(roles):
        return GuessedSource(
            adapter="recommendations",
            path=path,
            keys={**look.keys, "columns": _only(roles, "user_id", "item_id", "rank", "score")},
        )
    return GuessedSource(
        adapter="event_log",
        path=path,
        keys={**look.keys, **_log_keys(roles, columns)},
        remarks=_kind_remarks(_kinds(roles, columns)),
    )


def _log_keys(roles: Mapping[str, str], columns: Mapping[str, SeenColumn]) -> dict[str, object]:
    mapped = _only(roles, "user_id", "item_id", "event_time", "kind", "weight", "event_id")
    keys: dict[str, object] = {"columns": mapped}
    if "event_time" not in roles:
        keys["time_from"] = "order"
    else:
        keys["time_format"] = guess_time_format(columns[roles["event_time"]])
    kinds = _kinds(roles, columns)
    if kinds and not _kind_remarks(kinds):
        keys["kinds"] = {kind: _kind_weight(str(kind)) for kind in kinds}
    return keys


def _kinds(roles: Mapping[str, str], columns: Mapping[str, SeenColumn]) -> list[object]:
    """The kinds of events that were seen, texts in the order of letters."""
    seen = columns[roles["kind"]].values if "kind" in roles else []
    return sorted({kind for kind in seen if isinstance(kind, str)}) + [
        kind for kind in seen if not isinstance(kind, str)
    ]


def _kind_remarks(kinds: Sequence[object]) -> tuple[str, ...]:
    """Why the kinds of events are not listed, if they are not."""
    if not all(isinstance(kind, str) for kind in kinds):
        reason = "its kinds of events are no words"
    elif len(kinds) > MOST_KINDS:
        reason = f"its {len(kinds)} kinds of events are too many to list here"
    else:
        return ()
    return (f"{reason}: each weighs 1, also a dislike, unless kinds = {{...}} weighs them all",)


def _guess_catalogue(path: Path, look: FileLook, roles: Mapping[str, str]) -> GuessedSource | UnguessedFile:
    if not {"item_id", "title"} <= set(roles) or "user_id" in roles:
        return UnguessedFile(path=path, reason=_why_unread(look, roles))
    mapped = _only(roles, "item_id", "title", "stock_image_uri")
    fields = [
        column.name for column in look.columns if column.name not in mapped.values() and _is_short(column)
    ]
    return GuessedSource(
        adapter="catalogue", path=path, keys={**look.keys, "columns": mapped}, item_fields=["title", *fields]
    )


def _why_unread(look: FileLook, roles: Mapping[str, str]) -> str:
    names = ", ".join(column.name for column in look.columns)
    if (own := own_id(look.columns, roles)) and "item_id" not in roles:
        return f"{own} beside {roles['user_id']} is the row's own id, and no column of items is among {names}"
    return f"no columns of users, items or titles among {names}"


def _only(roles: Mapping[str, str], *wanted: str) -> dict[str, str]:
    return {role: roles[role] for role in wanted if role in roles}


def _kind_weight(kind: str) -> float:
    plain = "".join(filter(str.isalpha, kind.lower()))
    unliking = (weight for word, weight in UNLIKING_WEIGHTS.items() if word in plain)
    near = (weight for name, weight in KIND_WEIGHTS.items() if plain.startswith(name))
    return next(unliking, KIND_WEIGHTS.get(plain, next(near, 1)))


def _is_short(column: SeenColumn) -> bool:
    """Whether a column's values are words that recur, as of a genre or a brand."""
    texts = [value for value in column.values if isinstance(value, str)]
    if not texts or column.sql_type != "VARCHAR":
        return False
    return sum(len(text.split()) for text in texts) / len(texts) <= TEXT_WORDS


def _movielens_files(folder: Path) -> Collection[Path]:
    """The ratings and films of MovieLens in a folder; none if it is another's."""
    try:
        files = MovieLens(path=folder).files()
        return {file.path for file in files} if all(map(has_its_columns, files)) else ()
    except SourceFileError:
        return ()


def _look(file: Path) -> FileLook | str:
    try:
        return look_at_file(file)
    except SourceFileError as error:
        return str(error)


def _pattern(folder: Path, files: Sequence[Path], file_format: str) -> Path | None:
    """What means these files and no others: a file, the folder, a pattern of names; None if nothing does."""
    if len(files) == 1:
        return files[0]
    names = [file.name for file in files]
    begin, end = escape(commonprefix(names)), commonprefix([name[::-1] for name in names])[::-1]
    name = names[0] if len(set(names)) == 1 else f"{begin}*{escape(end)}"
    parents = {file.parent for file in files}
    above = [parents.pop()] if len(parents) == 1 else _folders(folder, parents)
    places = [folder, *(place / name for place in above), *(place / f"*{files[0].suffix}" for place in above)]
    return next((place for place in places if _means(place, file_format) == {*files}), None)


def _folders(folder: Path, parents: Collection[Path]) -> list[Path]:
    """Patterns of some folders in a folder: those whose names begin alike, and all."""
    begins = {parent.relative_to(folder).parts[:1] for parent in parents if parent.is_relative_to(folder)}
    begin = commonprefix([parts[0] for parts in begins if parts])
    return [folder / f"{escape(begin)}*", folder / f"{escape(begin)}*" / "**", folder / "**"]


def _means(path: Path, file_format: str) -> set[Path]:
    """The files that a source of the path and format reads."""
    try:
        files = FileSource(path=path, format=cast(FileFormat, file_format)).search().files
    except SourceFileError:
        return set()
    return {file.path for file in files}
