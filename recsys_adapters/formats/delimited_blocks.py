"""Delimited text as a stream of columns: plain lines are split at once, lines that need care stay whole.

Arrow's CSV reader splits fast, but follows a stray quote over line ends and stops at bytes that are no text.
So it gets only lines in which nothing could mislead it. The others stay whole, and so do those that it finds
to have too few or too many values; whoever reads the stream splits them one by one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from recsys_adapters.formats.file_lines import (
    LINES_SCHEMA,
    Block,
    Rewrite,
    keep_lines,
    read_blocks,
    whole_lines,
)

_LINE_FEED = ord("\n")
_FIRST_BEYOND_ASCII = 0x80
_NOT_PLAIN = tuple(bytes([code]) for code in b".,+[{( \t\xc2\xe2\xe3\xef")
"""What floats, lists and blanks have in them; the last are first bytes of blanks that nobody sees."""
_EXPONENTS = (b"E+", b"e+")
"""What numbers have in them that may have been rounded."""


@dataclass(frozen=True, kw_only=True)
class DelimitedBlocks:
    """The lines of a file after the header, read anew whenever they are scanned.

    The columns are those of `LINES_SCHEMA`, `is_split`, `is_plain` (what is split means what it says), and
    the wanted ones of the values `c0`, `c1`, ... (NULL where empty) of the lines that are split, whose `raw`
    still has its line end.
    """

    path: Path
    delimiter: str
    """One character."""
    quote: str = '"'
    """One character, or none."""
    special: str = ""
    """Characters that mean something to whoever splits whole lines: lines with them stay whole."""
    null_words: tuple[str, ...] = ()
    """What stands for nothing; NULL in the lines that are split."""
    ids: tuple[int, ...] = ()
    """Places of values that are ids, which must be looked at where they may be floats, lists or padded."""
    encoding: str = "utf-8"
    rewrite: Rewrite = keep_lines
    num_header_lines: int
    num_columns: int
    """Values that each line has."""
    wanted: tuple[int, ...]
    """Places of the values to read, from 0; others are not looked at."""
    num_bytes: int | None = None
    """How many bytes of the file count; none: all."""

    @cached_property
    def _names(self) -> list[str]:
        return [f"c{i}" for i in self.wanted]

    @cached_property
    def schema(self) -> pa.Schema:
        """Columns of the batches."""
        values = [pa.field(name, pa.string()) for name in self._names]
        flags = [pa.field("is_split", pa.bool_()), pa.field("is_plain", pa.bool_())]
        return pa.schema([*LINES_SCHEMA, *flags, *values])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The lines after the header."""
        blocks = read_blocks(
            self.path, encoding=self.encoding, rewrite=self.rewrite, num_bytes=self.num_bytes
        )
        for block in blocks:
            rest = block.without_first_lines(max(0, self.num_header_lines - block.first_line + 1))
            if rest.text:
                yield from self._split(rest)

    def up_to(self, num_bytes: int) -> "DelimitedBlocks":
        """The lines of the first bytes of the file."""
        return replace(self, num_bytes=num_bytes)

    def _split(self, block: Block) -> Iterator[pa.RecordBatch]:
        """Split the lines that can be split at once; leave the others whole."""
        is_whole = self._misleading_lines(block)
        lines = _lines(block)
        text = _joined(lines["raw"].filter(pa.array(~is_whole))) if is_whole.any() else block.text
        values, misfits = self._values(text)
        is_whole[np.flatnonzero(~is_whole)[misfits]] = True
        if values.num_rows != np.count_nonzero(~is_whole):
            yield self._whole(whole_lines(block))
            return
        if is_whole.any():
            yield self._whole(whole_lines(block, is_whole))
            lines = lines.filter(pa.array(~is_whole))
        is_marked = self._has_edge_spaces(text) or self._has_formulas(text) or _has_exponents(text)
        is_plain = not is_marked and self._has_plain_ids(values)
        flags = [pa.repeat(pa.scalar(is_so), len(lines)) for is_so in (True, is_plain)]
        columns = [column.combine_chunks() for column in values.columns]
        yield pa.record_batch([*lines.columns, *flags, *columns], schema=self.schema)

    def _has_edge_spaces(self, text: bytes) -> bool:
        """Whether a value may begin or end with a space, or only looks like it."""
        if b" " not in text:
            return False
        edges = (self.delimiter.encode(), b"\n", *([self.quote.encode()] if self.quote else []))
        return text[:1] == b" " or any(edge + b" " in text or b" " + edge in text for edge in edges)

    def _has_formulas(self, text: bytes) -> bool:
        """Whether a value may be written as `="007"`, with its quotes doubled where they would end it."""
        # Several signs are looked for twenty times slower than one, which most texts do not have.
        return b"=" in text and (b'"=""' if self.quote == '"' else b'="') in text

    def _has_plain_ids(self, values: pa.Table) -> bool:
        """Whether no id has a character that makes it a float, a list or a padded text."""
        chunks = (chunk for place in self.ids for chunk in values[f"c{place}"].chunks)
        texts = [data.to_pybytes() for chunk in chunks if (data := chunk.buffers()[2])]
        return not any(mark in text for text in texts for mark in _NOT_PLAIN)

    def _whole(self, lines: pa.RecordBatch) -> pa.RecordBatch:
        is_split = pa.repeat(pa.scalar(False), len(lines))
        values = [pa.nulls(len(lines), pa.string()) for _ in self._names]
        return pa.record_batch([*lines.columns, is_split, is_split, *values], schema=self.schema)

    def _values(self, text: bytes) -> tuple[pa.Table, list[int]]:
        """The values of the lines that have the right number of them; indices of the others."""
        misfits: list[int] = []

        def skip(row: csv.InvalidRow) -> str:
            misfits.append(row.number - 1)
            return "skip"

        if not text:
            return pa.schema([pa.field(name, pa.string()) for name in self._names]).empty_table(), misfits
        table = csv.read_csv(
            pa.py_buffer(text),
            csv.ReadOptions(
                column_names=[f"c{i}" for i in range(self.num_columns)],
                use_threads=False,
                block_size=len(text) + 1,
            ),
            csv.ParseOptions(
                delimiter=self.delimiter,
                # To look for quotes costs a fifth of the splitting.
                quote_char=self.quote if self.quote and self.quote.encode() in text else False,
                ignore_empty_lines=False,
                invalid_row_handler=skip,
            ),
            csv.ConvertOptions(
                # None would be taken for all.
                include_columns=self._names or ["c0"],
                column_types=dict.fromkeys(self._names, pa.string()),
                null_values=["", *self.null_words],
                strings_can_be_null=True,
                check_utf8=False,
            ),
        )
        return table.select(self._names), misfits

    def _misleading_lines(self, block: Block) -> npt.NDArray[np.bool_]:
        """Which lines Arrow might take for something else than the record of plain values that they are."""
        if not (self.delimiter.isascii() and self.quote.isascii()):
            return np.ones(len(block.line_ends), bool)
        is_misleading = np.diff(block.line_ends, prepend=-1) == 1
        codes = np.frombuffer(block.text, np.uint8)
        special = f"\r\0{self.special}".encode()
        suspects = [codes == code for code in special if code in block.text]
        if not _is_text(block.text):
            suspects.append(codes >= _FIRST_BEYOND_ASCII)
        if self.quote and not _has_plain_quotes(block, ord(self.quote), ord(self.delimiter)):
            suspects.append(codes == ord(self.quote))
        for is_suspect in suspects:
            is_misleading[np.searchsorted(block.line_ends, np.flatnonzero(is_suspect))] = True
        return is_misleading


def _joined(lines: pa.Array) -> bytes:
    """The bytes of an array of texts, one after another."""
    _, offsets, data = lines.buffers()
    return data.to_pybytes()[: np.frombuffer(offsets, np.int32)[len(lines)]] if data else b""


def _lines(block: Block) -> pa.RecordBatch:
    """The lines, each with its line end, as if all were good texts, without a copy of the block."""
    offsets = np.zeros(len(block.line_ends) + 1, np.int32)
    offsets[1:] = block.line_ends + 1
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(block.text)]
    raw = pa.Array.from_buffers(pa.string(), len(block.line_ends), buffers)
    numbers = pa.array(np.arange(block.first_line, block.first_line + len(raw)))
    return pa.record_batch([numbers, raw, pa.nulls(len(raw), pa.string())], schema=LINES_SCHEMA)


def _has_exponents(text: bytes) -> bool:
    """Whether a value may be a number with an exponent that has its sign."""
    return b"+" in text and any(mark in text for mark in _EXPONENTS)


def _is_text(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        pa.array([text], pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def _has_plain_quotes(block: Block, quote: int, delimiter: int) -> bool:
    """Whether all quotes enclose whole values within a line, and are doubled inside them (RFC 4180)."""
    if quote not in block.text:
        return True
    codes = np.frombuffer(b"\n" + block.text, np.uint8)
    quotes = np.flatnonzero(codes == quote)
    if len(quotes) % 2:
        return False
    # A doubled quote reads as the end of one quoted part and the start of the next.
    opening, closing = quotes[::2], quotes[1::2]
    edges = (delimiter, _LINE_FEED, quote)
    begins, ends = np.isin(codes[opening - 1], edges), np.isin(codes[closing + 1], edges)
    first_line, last_line = (np.searchsorted(block.line_ends, at - 1) for at in (opening, closing))
    return bool(begins.all() and ends.all() and (first_line == last_line).all())
