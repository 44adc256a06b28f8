"""The physical lines of a text file, exactly as they stand, whatever is wrong with them.

A record is one line: what is broken in a line stays in that line. CSV readers that follow quotes over line
ends cannot promise that, so files with broken records are read through here.
"""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys_adapters.errors import SourceFileError

LINES_SCHEMA = pa.schema([("line", pa.int64()), ("raw", pa.string()), ("defect", pa.string())])
NOT_UTF8 = "not valid UTF-8"

_CHUNK_BYTES = 1 << 23
_GZIP_MAGIC = b"\x1f\x8b\x08"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Well-formed byte sequences, Unicode Standard 15, table 3-7.
_UTF8 = (
    r"^(?:[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}"
    r"|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}"
    r"|\xf4[\x80-\x8f][\x80-\xbf]{2})*$"
)


@dataclass(frozen=True)
class LineSurvey:
    """What a count of bytes tells about a text file."""

    num_lines: int
    is_regular: bool
    """One kind of line end throughout and no NUL byte."""


def is_gzip(path: Path) -> bool:
    """Whether the content, not the name, is gzip."""
    with path.open("rb") as stream:
        return stream.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a plain or gzip file for reading its (unpacked) bytes.

    Raises:
        SourceFileError: if a gzip file is damaged or cut short.
    """
    if not is_gzip(path):
        with path.open("rb") as stream:
            yield stream
        return
    try:
        with gzip.open(path, "rb") as unpacked:
            yield cast(BinaryIO, unpacked)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise SourceFileError(f"{path.name} is a damaged gzip file. Copy it once more.") from error


def check_unpacks(path: Path) -> None:
    """Read a gzip file to its end, before a reader meets the damage in its midst.

    Raises:
        SourceFileError: if it is damaged or cut short.
    """
    if is_gzip(path):
        for _ in _chunks(path):
            pass


def survey_lines(path: Path) -> LineSurvey:
    """Count lines and look for what a CSV reader might take for something else."""
    line_feeds = returns = pairs = 0
    has_nul = False
    last = b"\n"
    for chunk in _chunks(path):
        line_feeds += chunk.count(b"\n")
        if b"\r" in chunk:
            returns += chunk.count(b"\r")
            pairs += chunk.count(b"\r\n")
        has_nul = has_nul or b"\0" in chunk
        last = chunk[-1:]
    one_line_end = returns == pairs and pairs in (0, line_feeds)
    return LineSurvey(line_feeds + (last != b"\n"), one_line_end and not has_nul)


def read_lines(path: Path, *, encoding: str = "utf-8") -> pa.RecordBatchReader:
    r"""Stream the lines of a plain or gzip file as `LINES_SCHEMA`.

    `line` counts from 1; `raw` is the text without its line end, invalid bytes written as `\xNN`;
    `defect` is `NOT_UTF8` for such a line, else NULL.
    """
    return pa.RecordBatchReader.from_batches(LINES_SCHEMA, _batches(path, encoding))


def _chunks(path: Path) -> Iterator[bytes]:
    """Blocks of whole lines."""
    with open_bytes(path) as stream:
        while chunk := stream.read(_CHUNK_BYTES) + stream.readline():
            yield chunk


def _batches(path: Path, encoding: str) -> Iterator[pa.RecordBatch]:
    next_line = 1
    for chunk in _chunks(path):
        if next_line == 1 and encoding == "utf-8":
            chunk = chunk.removeprefix(_BYTE_ORDER_MARK)
        texts, defects = _decode(_split(chunk), encoding)
        numbers = pa.array(np.arange(next_line, next_line + len(texts)))
        next_line += len(texts)
        yield pa.record_batch([numbers, texts, defects], schema=LINES_SCHEMA)


def _split(chunk: bytes) -> pa.Array:
    chunk = chunk.removesuffix(b"\n").removesuffix(b"\r").replace(b"\r\n", b"\n")
    return pc.split_pattern(pa.array([chunk], pa.binary()), b"\n").flatten()


def _decode(lines: pa.Array, encoding: str) -> tuple[pa.Array, pa.Array]:
    if encoding != "utf-8":
        return pa.array([line.decode(encoding) for line in lines.to_pylist()], pa.string()), _no_defects(
            lines
        )
    try:
        return lines.cast(pa.string()), _no_defects(lines)
    except pa.ArrowInvalid:
        return _decode_broken(lines)


def _decode_broken(lines: pa.Array) -> tuple[pa.Array, pa.Array]:
    is_broken = pc.invert(pc.match_substring_regex(lines, _UTF8))
    broken = lines.filter(is_broken).to_pylist()
    legible = pa.array([line.decode("utf-8", "backslashreplace").encode() for line in broken], pa.binary())
    texts = pc.replace_with_mask(lines, is_broken, legible).cast(pa.string())
    return texts, pc.if_else(is_broken, NOT_UTF8, pa.scalar(None, pa.string()))


def _no_defects(lines: pa.Array) -> pa.Array:
    return pa.nulls(len(lines), pa.string())
