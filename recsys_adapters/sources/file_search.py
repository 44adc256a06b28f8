"""Which files a path means, and how they are read."""

from glob import glob
from os.path import commonpath
from pathlib import Path

from recsys_adapters.errors import SourceFileError
from recsys_adapters.formats.delimited_text import DelimitedText
from recsys_adapters.formats.json_lines import JsonLines
from recsys_adapters.formats.parquet_rows import ParquetRows
from recsys_adapters.formats.record_format import RecordFormat

FORMAT_NAMES = ("csv", "tsv", "jsonl", "parquet")


def record_format(name: str, *, delimiter: str | None = None) -> RecordFormat:
    """The format of a name among `FORMAT_NAMES`.

    Args:
        name: `csv`, `tsv`, `jsonl` or `parquet`.
        delimiter: what parts the values of a csv or tsv file, if neither a comma nor a tab.

    Raises:
        ValueError: for any other name.
    """
    if name in ("csv", "tsv"):
        return DelimitedText(delimiter=delimiter or {"csv": ",", "tsv": "\t"}[name])
    if name == "jsonl":
        return JsonLines()
    if name == "parquet":
        return ParquetRows()
    raise ValueError(f"file format {name!r} is unknown. Write one of {', '.join(FORMAT_NAMES)}.")


def find_files(path: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Files that a path means, by a name that tells them apart, in the order of names.

    Args:
        path: a file, a folder (searched with its sub-folders) or a glob pattern.
        suffixes: ends of the names that count in a folder.

    Raises:
        SourceFileError: if there are none.
    """
    if path.is_file():
        return {path.name: path}
    if path.is_dir():
        found = [file for file in path.rglob("*") if file.is_file() and file.name.endswith(suffixes)]
    else:
        found = [Path(file) for file in glob(str(path), recursive=True) if Path(file).is_file()]
    if not found:
        raise SourceFileError(
            f"{path} has no files. Name a file, a pattern, or a folder with {', '.join(suffixes)}."
        )
    root = path if path.is_dir() else commonpath([file.parent for file in found])
    return {file.relative_to(root).as_posix(): file for file in sorted(found)}
