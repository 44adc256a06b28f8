"""The physical lines of a text file, exactly as they stand, whatever is wrong with them.

A record is one line: what is broken in a line stays in that line. CSV readers that follow quotes over line
ends cannot promise that, so files with broken records are read through here.
"""

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recsys_adapters.formats.packed_bytes import check_is_text, open_bytes, read_head

LINES_SCHEMA = pa.schema([("line", pa.int64()), ("raw", pa.string()), ("defect", pa.string())])
NOT_UTF8 = "not valid UTF-8"

Rewrite = Callable[[Iterator[bytes]], Iterator[bytes]]
"""From blocks of whole lines to such blocks, line by line, so that numbers of lines stay."""

_CHUNK_BYTES = 1 << 20
"""A block and the values that it is split into fit into a core's cache, where they are looked at next."""
_MOST_CHUNKS = 64
"""Of a first line, before it is taken for one whose end is as usual."""
_LINE_FEED = ord("\n")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_WIDE_MARKS = {b"\xff\xfe\x00\x00": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_FEWEST_WIDE, _MOSTLY = 4, 0.4
"""Of texts whose characters have two bytes: characters to tell them by, and how many of them are of ASCII."""
# Well-formed byte sequences, Unicode Standard 15, table 3-7.
_UTF8 = (
    r"^(?:[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}"
    r"|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}"
    r"|\xf4[\x80-\x8f][\x80-\xbf]{2})*$"
)


@dataclass(frozen=True)
class Block:
    """Some whole lines of a text file, each ended by a line feed alone."""

    first_line: int
    """From 1."""
    text: bytes
    line_ends: npt.NDArray[np.int64]
    """Where in the text its line feeds are, ascending."""

    def without_first_lines(self, count: int) -> "Block":
        """The block without its first lines, or without any if it has no more."""
        if not count:
            return self
        if count >= len(self.line_ends):
            return Block(self.first_line + len(self.line_ends), b"", self.line_ends[:0])
        start = int(self.line_ends[count - 1]) + 1
        return Block(self.first_line + count, self.text[start:], self.line_ends[count:] - start)


def keep_lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The rewriting that changes nothing."""
    return blocks


def read_blocks(
    path: Path, *, encoding: str = "utf-8", rewrite: Rewrite = keep_lines, num_bytes: int | None = None
) -> Iterator[Block]:
    r"""Read a file in blocks of whole lines, without its byte order mark and empty lines at its end.

    Lines end with `\n`, `\r\n`, or all with `\r`. Text in another encoding, or with the mark of another one,
    becomes UTF-8; bytes that are no text stay as they are. Beyond `num_bytes` nothing of the file is read.
    """
    next_line = 1
    for block in _without_empty_end(rewrite(_line_blocks(path, encoding, num_bytes))):
        line_ends = np.flatnonzero(np.frombuffer(block, np.uint8) == _LINE_FEED)
        yield Block(next_line, block, line_ends)
        next_line += len(line_ends)


def read_first_lines(
    path: Path, count: int, *, encoding: str = "utf-8", rewrite: Rewrite = keep_lines
) -> list[str]:
    """The first lines of a file, at most so many."""
    block = next(read_blocks(path, encoding=encoding, rewrite=rewrite), None)
    lines = block.text.split(b"\n", count)[:-1] if block else []
    return [line.decode("utf-8", "replace") for line in lines[:count]]


def read_text_head(path: Path, *, encoding: str = "utf-8") -> str:
    """The first characters of a file, without its byte order mark.

    Raises:
        SourceFileError: if it is no text.
    """
    head, written = _text_head(path, encoding)
    decoder = codecs.getincrementaldecoder(written)("replace")
    return decoder.decode(head).removeprefix("\ufeff")


@dataclass(frozen=True)
class Lines:
    r"""The lines of a file as a stream of `LINES_SCHEMA`, read anew whenever it is scanned.

    `line` counts from 1; `raw` is the text without its line end, invalid bytes written as `\xNN`;
    `defect` is `NOT_UTF8` for such a line, else NULL.
    """

    path: Path
    encoding: str = "utf-8"
    rewrite: Rewrite = keep_lines
    num_bytes: int | None = None
    """How many bytes of the file count; none: all."""

    @property
    def schema(self) -> pa.Schema:
        """Columns of the batches."""
        return LINES_SCHEMA

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The lines, a block at a time."""
        blocks = read_blocks(
            self.path, encoding=self.encoding, rewrite=self.rewrite, num_bytes=self.num_bytes
        )
        return map(whole_lines, blocks)

    def up_to(self, num_bytes: int) -> "Lines":
        """The lines of the first bytes of the file."""
        return replace(self, num_bytes=num_bytes)


def whole_lines(block: Block, is_chosen: npt.NDArray[np.bool_] | None = None) -> pa.RecordBatch:
    """The lines of a block, or those of them that are chosen, as `LINES_SCHEMA`."""
    lines = _split(block.text)
    numbers = pa.array(np.arange(block.first_line, block.first_line + len(lines)))
    if is_chosen is not None:
        lines, numbers = lines.filter(pa.array(is_chosen)), numbers.filter(pa.array(is_chosen))
    return pa.record_batch([numbers, *_decode(lines)], schema=LINES_SCHEMA)


def _line_blocks(path: Path, encoding: str, num_bytes: int | None) -> Iterator[bytes]:
    """Blocks of whole lines, each ended by a line feed."""
    _, written = _text_head(path, encoding)
    pieces = _decoded(_pieces(path, num_bytes), written)
    first = _until_line_end(pieces).removeprefix(_BYTE_ORDER_MARK)
    has_old_line_ends = b"\r" in first and b"\n" not in first
    rest: list[bytes] = []
    for piece in _chain(first, pieces):
        text = piece.replace(b"\r", b"\n") if has_old_line_ends else piece
        end = text.rfind(b"\n") + 1
        if end:
            yield _with_plain_line_ends(b"".join([*rest, memoryview(text)[:end]]))
            rest = []
        rest.append(text[end:])
    if last := b"".join(rest):
        yield _with_plain_line_ends(last.removesuffix(b"\r") + b"\n")


def _text_head(path: Path, told: str) -> tuple[bytes, str]:
    """The first bytes of a text, and its encoding."""
    head = read_head(path)
    written = encoding_of(head, told)
    check_is_text(path, head, is_wide=written.startswith(("utf-16", "utf-32")))
    return head, written


def _until_line_end(pieces: Iterator[bytes]) -> bytes:
    """The first pieces, up to one that shows how lines end: what stands after a carriage return, too."""
    first: list[bytes] = []
    end = b""
    for piece in islice(pieces, _MOST_CHUNKS):
        first.append(piece)
        if b"\n" in piece or b"\r" in (end + piece)[:-1]:
            break
        end = piece[-1:]
    return b"".join(first)


def encoding_of(head: bytes, told: str) -> str:
    """The encoding of a file by its first bytes: one of two bytes a character shows, also without a mark.

    The mark of UTF-8 says so, whatever the settings do.
    """
    if head.startswith(_BYTE_ORDER_MARK):
        return "utf-8"
    if marked := next((name for mark, name in _WIDE_MARKS.items() if head.startswith(mark)), None):
        return marked
    name = codecs.lookup(told).name
    if name not in ("utf-8", "utf-16"):
        return name
    low, high = head[::2], head[1::2]
    little = len(high) >= _FEWEST_WIDE and high.count(0) > _MOSTLY * len(high) and 0 not in low
    big = len(high) >= _FEWEST_WIDE and low.count(0) > _MOSTLY * len(low) and 0 not in high
    if name == "utf-16" or little or big:
        return "utf-16-be" if big else "utf-16-le"
    return name


def looks_like_utf8(path: Path, *, told: str) -> bool:
    """Whether the first bytes of a file have letters beyond ASCII that are UTF-8, but are read otherwise."""
    if codecs.lookup(told).name == "utf-8":
        return False
    head = read_head(path)
    if head.isascii() or encoding_of(head, told) != codecs.lookup(told).name:
        return False
    return begins_as_utf8(head)


def begins_as_utf8(head: bytes) -> bool:
    """Whether the first bytes of a file are UTF-8, the last character maybe cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _chain(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from pieces


def _pieces(path: Path, num_bytes: int | None) -> Iterator[bytes]:
    with open_bytes(path, num_bytes) as stream:
        while piece := stream.read(_CHUNK_BYTES):
            yield piece


def _decoded(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    if codecs.lookup(encoding).name == "utf-8":
        yield from pieces
        return
    decoder = codecs.getincrementaldecoder(encoding)("backslashreplace")
    for piece in pieces:
        yield decoder.decode(piece).encode("utf-8", "backslashreplace")
    yield decoder.decode(b"", final=True).encode("utf-8", "backslashreplace")


def _with_plain_line_ends(block: bytes) -> bytes:
    return block.replace(b"\r\r\n", b"\n").replace(b"\r\n", b"\n") if b"\r" in block else block


def _without_empty_end(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The blocks without the empty lines that end the last of them."""
    num_empty = 0
    for block in blocks:
        # A copy of each block would take longer than to find its lines.
        has_empty_end = block.endswith(b"\n\n") or block == b"\n"
        length = len(block.rstrip(b"\n")) + 1 if has_empty_end else len(block)
        if length > 1:
            yield b"\n" * num_empty + block[:length] if num_empty or has_empty_end else block
            num_empty = -length
        num_empty += len(block)


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
