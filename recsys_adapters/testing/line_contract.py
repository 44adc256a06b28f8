"""What every adapter of text files promises, whatever its files look like.

A test class inherits `LineContract`, says what a good record and its own kinds of broken ones look like, and
gets all these tests. Needs pytest and hypothesis (`pip install fan-artwork[testing]`).
"""

import gzip
import re
import tempfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from feature_store import schemas
from recsys_adapters.formats.packed_bytes import NOT_UNPACKED
from recsys_adapters.records.source_file import SourceFile

TABLES = {table.name: table for table in schemas.TABLES}
NUM_RECORDS = 12
# Each inheriting class runs a property for its own adapter, which is what the health check warns of.
PROPERTY = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.differing_executors])


PACKED = (b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"PK\x05\x06")
OTHER_FILES = (*PACKED, *NOT_UNPACKED, b"\xfe\xff", b"\xff\xfe", b"<!doctype html", b"<html")
"""How packed files, texts in UTF-16 and web pages begin: what follows is read so, or refused with it."""
A_LIST = re.compile(rb"\[\s*[{\]]")
"""How a JSON list begins, whose objects are counted, not its lines."""


Record = tuple[Any, ...]


@dataclass(frozen=True)
class Staged:
    """What became of a file's records."""

    rows: list[Record]
    """By the number in the item's id."""
    rejects: list[Record]
    """(line, reason, raw), by line."""


def stage(connection: duckdb.DuckDBPyConnection, file: SourceFile) -> Staged:
    """Read a file as the intake does."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE records AS {file.examine().records(connection)}")
    columns = ", ".join(TABLES[file.table].staged)
    rows = connection.execute(f"SELECT {columns} FROM records WHERE reason IS NULL").fetchall()
    rejects = "SELECT line, reason, raw FROM records WHERE reason IS NOT NULL ORDER BY line"
    return Staged(by_item(file, rows), connection.execute(rejects).fetchall())


def by_item(file: SourceFile, rows: list[Record]) -> list[Record]:
    """Sort staged rows by the number in the item's id."""
    item_id = TABLES[file.table].staged.index("item_id")
    return sorted(rows, key=lambda row: item_number(row[item_id]))


def item_number(item_id: str) -> int:
    """The number in an item's id."""
    return int("0" + re.sub("[^0-9]", "", item_id))


@cache
def shared_connection() -> duckdb.DuckDBPyConnection:
    """One connection for all files, as the store has it: each file replaces what the one before left."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    return connection


class LineContract(ABC):
    """For adapters of files with a record in each line."""

    header: bytes | None = None
    """The first line, where it names the columns."""
    file_name: str
    """What the adapter's file is called in its folder."""
    broken: dict[bytes, str]
    """A broken record, and the reason why it is refused."""

    @abstractmethod
    def record(self, number: int) -> bytes:
        """A good record, another one for each number, which is also in its item's id."""

    @abstractmethod
    def source_file(self, folder: Path) -> SourceFile:
        """The adapter's file in a folder that holds `file_name`."""

    def lines(self) -> list[bytes]:
        """A dozen good records."""
        return [self.record(number) for number in range(NUM_RECORDS)]

    def content(self, lines: list[bytes], *, end: bytes = b"\n") -> bytes:
        """A file of these lines."""
        head = [] if self.header is None else [self.header]
        return b"".join(line + end for line in head + lines)

    def stage_bytes(self, content: bytes) -> Staged:
        """Read a file that holds these bytes."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, self.file_name).write_bytes(content)
            return stage(shared_connection(), self.source_file(Path(folder)))

    @property
    def first_line(self) -> int:
        """Of the records."""
        return 1 if self.header is None else 2

    @pytest.fixture
    def clean(self) -> Staged:
        """The good records as they are read."""
        return self.stage_bytes(self.content(self.lines()))

    def test_every_good_record_is_a_row_of_its_own(self, clean: Staged) -> None:
        assert len(set(clean.rows)) == NUM_RECORDS
        assert clean.rejects == []

    def test_the_records_have_the_columns_of_the_schema(
        self, tmp_path: Path, connection: duckdb.DuckDBPyConnection
    ) -> None:
        (tmp_path / self.file_name).write_bytes(self.content(self.lines()))
        file = self.source_file(tmp_path)
        types = TABLES[file.table].staged_types
        expected = {"place": "INTEGER", "line": "BIGINT", "reason": "VARCHAR", **types, "raw": "VARCHAR"}
        described = connection.execute(f"DESCRIBE {file.examine().records(connection)}").fetchall()
        found = {
            name: sql_type.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
            for name, sql_type, *_ in described
        }
        assert found == expected

    def test_users_are_named_as_the_records_name_them(
        self, tmp_path: Path, connection: duckdb.DuckDBPyConnection
    ) -> None:
        (tmp_path / self.file_name).write_bytes(self.content([*self.lines(), *self.broken]))
        file = self.source_file(tmp_path)
        users = file.examine().users(connection)
        if users is not None and "user_id" in TABLES[file.table].staged:
            named = {user for _, user in connection.execute(users).fetchall()}
            place = TABLES[file.table].staged.index("user_id")
            assert named >= {row[place] for row in stage(connection, file).rows}

    def test_staging_again_gives_the_same(
        self, tmp_path: Path, connection: duckdb.DuckDBPyConnection
    ) -> None:
        (tmp_path / self.file_name).write_bytes(self.content([*self.lines(), *self.broken]))
        file = self.source_file(tmp_path)
        assert stage(connection, file) == stage(connection, file)

    def test_a_broken_record_is_refused_with_its_line_its_reason_and_its_text(self, clean: Staged) -> None:
        for broken, reason in self.broken.items():
            lines = self.lines()
            lines[4] = broken
            staged = self.stage_bytes(self.content(lines))
            raw = broken.replace(b"\0", b"\\x00").decode("utf-8", "backslashreplace")
            assert staged.rejects == [(self.first_line + 4, reason, raw)]
            assert staged.rows == clean.rows[:4] + clean.rows[5:]

    @given(data=st.data())
    @PROPERTY
    def test_broken_records_leave_their_neighbours_alone(self, data: st.DataObject) -> None:
        places = data.draw(st.sets(st.integers(0, NUM_RECORDS - 1), max_size=NUM_RECORDS - 1))
        lines = self.lines()
        for place in places:
            # An empty line at the end of a file is none.
            possible = [broken for broken in self.broken if broken or place < NUM_RECORDS - 1]
            lines[place] = data.draw(st.sampled_from(possible))
        clean = self.stage_bytes(self.content(self.lines()))
        staged = self.stage_bytes(self.content(lines))
        assert [line for line, _, _ in staged.rejects] == [
            self.first_line + place for place in sorted(places)
        ]
        assert staged.rows == [row for place, row in enumerate(clean.rows) if place not in places]

    @given(noise=st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")), place=st.integers(0, 2))
    @PROPERTY
    def test_whatever_stands_in_a_line_it_is_one_row_or_one_refusal(self, noise: bytes, place: int) -> None:
        lines = self.lines()[:3]
        clean = self.stage_bytes(self.content(lines))
        lines[place] = noise
        content = self.content(lines).lstrip()
        assume(not content.startswith(OTHER_FILES) and not content.lower().startswith(OTHER_FILES))
        assume(not A_LIST.match(content))
        assume(noise.strip(b"\r") or place < 2)  # an empty line at the end is none
        staged = self.stage_bytes(self.content(lines))
        assert len(staged.rows) + len(staged.rejects) == len(lines)
        assert set(clean.rows) - set(staged.rows) <= {clean.rows[place]}

    def test_windows_line_ends_change_nothing(self, clean: Staged) -> None:
        assert self.stage_bytes(self.content(self.lines(), end=b"\r\n")) == clean

    def test_mixed_line_ends_change_nothing(self, clean: Staged) -> None:
        content = self.content(self.lines(), end=b"\r\n")
        assert self.stage_bytes(content.replace(b"\r\n", b"\n", 3)) == clean

    def test_a_gzip_file_reads_like_the_file_in_it(self, clean: Staged) -> None:
        assert self.stage_bytes(gzip.compress(self.content(self.lines()))) == clean

    def test_a_damaged_gzip_file_is_an_error(self) -> None:
        packed = gzip.compress(self.content(self.lines()))
        with pytest.raises(ValueError, match=f"{self.file_name} is a damaged gzip file"):
            self.stage_bytes(packed[: len(packed) // 2])

    def test_the_last_line_needs_no_line_end(self, clean: Staged) -> None:
        assert self.stage_bytes(self.content(self.lines()).removesuffix(b"\n")) == clean

    def test_a_last_line_cut_short_is_refused(self, clean: Staged) -> None:
        content = self.content(self.lines())
        cut = len(content) - len(self.lines()[-1]) // 2 - 1
        staged = self.stage_bytes(content[:cut])
        assert staged.rows == clean.rows[:-1]
        assert [line for line, _, _ in staged.rejects] == [self.first_line + NUM_RECORDS - 1]

    def test_a_file_without_records_gives_none(self) -> None:
        assert self.stage_bytes(self.content([])) == Staged([], [])

    def test_an_empty_file_gives_no_records(self) -> None:
        assert self.stage_bytes(b"") == Staged([], [])


class Utf8Contract(LineContract):
    """For adapters of UTF-8 files."""

    def test_a_byte_order_mark_changes_nothing(self, clean: Staged) -> None:
        assert self.stage_bytes(b"\xef\xbb\xbf" + self.content(self.lines())) == clean

    def test_bytes_that_are_no_text_are_refused_and_kept_legible(self, clean: Staged) -> None:
        lines = self.lines()
        lines[2] = b"caf\xe9 \xff"
        staged = self.stage_bytes(self.content(lines))
        assert staged.rejects == [(self.first_line + 2, "not valid UTF-8", r"caf\xe9 \xff")]
        assert staged.rows == clean.rows[:2] + clean.rows[3:]


class HeaderContract(Utf8Contract):
    """For adapters of files whose first line names the columns."""

    header: bytes
    required: bytes
    """A column that the adapter cannot do without."""

    def test_an_additional_column_changes_nothing(self, clean: Staged) -> None:
        lines = [line + b",more" for line in self.lines()]
        content = b"\n".join([self.header + b",additional", *lines, b""])
        assert self.stage_bytes(content).rows == clean.rows

    def test_columns_may_stand_in_another_order(self, clean: Staged) -> None:
        reordered = [b",".join(reversed(line.split(b","))) for line in (self.header, *self.lines())]
        assert self.stage_bytes(b"\n".join(reordered)) == clean

    def test_a_missing_column_is_an_error_that_names_it_and_those_there_are(self) -> None:
        content = self.content(self.lines()).replace(self.required, b"another", 1)
        required = self.required.decode()
        with pytest.raises(ValueError, match=rf"{self.file_name}.* has no column '{required}'.*'another'"):
            self.stage_bytes(content)
