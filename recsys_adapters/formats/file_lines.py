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
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recsys_adapters.errors import SourceFileError

LINES_SCHEMA = pa.schema([("line", pa.int64()), ("raw", pa.string()), ("defect", pa.string())])
NOT_UTF8 = "not valid UTF-8"

_CHUNK_BYTES = 1 << 22
_LINE_FEED = ord("\n")
_GZIP_MAGIC = b"\x1f\x8b\x08"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Well-formed byte sequences, Unicode Standard 15, table 3-7.
_UTF8 = (
    r"^(?:[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}"
    r"|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}"
    r"|\xf4[\x80-\x8f][\x80-\xbf]{2})*$"
)


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


@dataclass(frozen=True)
class Block:
    """Some whole lines of a text file, each ended by a line feed alone."""

    first_line: int
    """From 1."""
    text: bytes
    line_ends: npt.NDArray[np.int64]
    """Where in the text its line feeds are, ascending."""

    def without_first_line(self) -> "Block":
        """The block without its first line, which must be there."""
        start = int(self.line_ends[0]) + 1
        return Block(self.first_line + 1, self.text[start:], self.line_ends[1:] - start)


def read_blocks(path: Path, *, encoding: str = "utf-8") -> Iterator[Block]:
    """Read a plain or gzip file in blocks of whole lines, without its byte order mark.

    Text in another encoding becomes UTF-8; bytes that are no text stay as they are.
    """
    next_line = 1
    for chunk in _chunks(path):
        block = chunk if encoding == "utf-8" else chunk.decode(encoding).encode()
        if next_line == 1:
            block = block.removeprefix(_BYTE_ORDER_MARK)
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n").removesuffix(b"\r")
        if not block.endswith(b"\n"):
            block += b"\n"
        line_ends = np.flatnonzero(np.frombuffer(block, np.uint8) == _LINE_FEED)
        yield Block(next_line, block, line_ends)
        next_line += len(line_ends)


@dataclass(frozen=True)
class Lines:
    r"""The lines of a plain or gzip file as a stream of `LINES_SCHEMA`, read anew whenever it is scanned.

    `line` counts from 1; `raw` is the text without its line end, invalid bytes written as `\xNN`;
    `defect` is `NOT_UTF8` for such a line, else NULL.
    """

    path: Path

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        batches = map(whole_lines, read_blocks(self.path))
        return pa.RecordBatchReader.from_batches(LINES_SCHEMA, batches).__arrow_c_stream__(requested_schema)


def whole_lines(block: Block, is_chosen: npt.NDArray[np.bool_] | None = None) -> pa.RecordBatch:
    """The lines of a block, or those of them that are chosen, as `LINES_SCHEMA`."""
    lines = _split(block.text)
    numbers = pa.array(np.arange(block.first_line, block.first_line + len(lines)))
    if is_chosen is not None:
        lines, numbers = lines.filter(pa.array(is_chosen)), numbers.filter(pa.array(is_chosen))
    return pa.record_batch([numbers, *_decode(lines)], schema=LINES_SCHEMA)


def _chunks(path: Path) -> Iterator[bytes]:
    """Blocks of whole lines."""
    with open_bytes(path) as stream:
        while chunk := stream.read(_CHUNK_BYTES) + stream.readline():
            yield chunk


def _split(text: bytes) -> pa.Array:
    return pc.split_pattern(pa.array([text.removesuffix(b"\n")], pa.binary()), b"\n").flatten()


def _decode(lines: pa.Array) -> tuple[pa.Array, pa.Array]:
    try:
        return lines.cast(pa.string()), pa.nulls(len(lines), pa.string())
    except pa.ArrowInvalid:
        return _decode_broken(lines)


def _decode_broken(lines: pa.Array) -> tuple[pa.Array, pa.Array]:
    is_broken = pc.invert(pc.match_substring_regex(lines, _UTF8))
    broken = lines.filter(is_broken).to_pylist()
    legible = pa.array([line.decode("utf-8", "backslashreplace").encode() for line in broken], pa.binary())
    texts = pc.replace_with_mask(lines, is_broken, legible).cast(pa.string())
    return texts, pc.if_else(is_broken, NOT_UTF8, pa.scalar(None, pa.string()))
