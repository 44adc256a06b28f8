"""Columns of Parquet that are no plain texts and numbers."""

from decimal import Decimal

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_adapters.errors import SourceFileError
from recsys_adapters.sources.catalogue import Catalogue
from recsys_adapters.sources.event_log import EventLog
from recsys_adapters.testing.line_contract import stage

COLUMNS = {"user_id": "user", "item_id": "item", "event_time": "at"}
USER = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"


def read(connection, folder):
    """Users of accepted rows, and the lines and reasons of refused ones."""
    (file,) = EventLog(path=folder, columns=COLUMNS, format="parquet").files()
    staged = stage(connection, file)
    return [row[1] for row in staged.rows], [(line, reason) for line, reason, _ in staged.rejects]


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [(np.float32, [7, 1 << 24, 20_000_000, 123_456_789]), (np.float16, [7, 1 << 11, 2053, 4001])],
)
def test_an_id_of_few_bits_that_lost_its_digits_is_refused(connection, tmp_path, kind, numbers):
    users = pa.array(np.array(numbers, kind))
    pq.write_table(pa.table({"user": users, "item": [1] * 4, "at": [1500000000] * 4}), tmp_path / "a.parquet")
    users, refused = read(connection, tmp_path)
    assert users == ["7", str(numbers[1])]
    assert [line for line, _ in refused] == [3, 4]
    assert all("lost digits" in reason for _, reason in refused)


@pytest.mark.parametrize("item", ["1", "NULL"])
def test_a_uuid_is_read_as_people_write_it(connection, tmp_path, item):
    duckdb.sql(
        f"COPY (SELECT '{USER}'::UUID AS user, {item}::INTEGER AS item, 1500000000 AS at "
        f"UNION ALL SELECT NULL, 2, 1500000000) TO '{tmp_path / 'a.parquet'}'"
    )
    users, refused = read(connection, tmp_path)
    assert users == ([USER] if item == "1" else [])
    assert refused[-1] == (2, "user_id is missing")


def test_a_uuid_inside_a_structure_is_read_as_people_write_it(connection, tmp_path):
    duckdb.sql(
        f"COPY (SELECT {{'id': '{USER}'::UUID}} AS who, 1 AS item, 1500000000 AS at) "
        f"TO '{tmp_path / 'a.parquet'}'"
    )
    columns = COLUMNS | {"user_id": "who.id"}
    (file,) = EventLog(path=tmp_path, columns=columns, format="parquet").files()
    assert [row[1] for row in stage(connection, file).rows] == [USER]


def test_an_archive_in_the_place_of_parquet_is_told_as_what_it_is(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"7z\xbc\xaf\x27\x1c\x00\x04")
    (file,) = EventLog(path=tmp_path, columns=COLUMNS, format="parquet").files()
    with pytest.raises(SourceFileError, match=r"a\.parquet is a 7z archive, which is not read here"):
        file.examine()


def test_a_field_beside_one_of_its_name_in_other_case_is_an_error_that_names_it(connection, tmp_path):
    kind = pa.struct([("id", pa.string()), ("ID", pa.string())])
    users = pa.array([{"id": "7", "ID": "q"}, {"id": "8", "ID": "r"}], kind)
    table = pa.table({"user": users, "item": [1, 2], "at": [1500000000, 1500000001]})
    pq.write_table(table, tmp_path / "a.parquet")

    def read_users(field):
        columns = COLUMNS | {"user_id": f"user.{field}"}
        (file,) = EventLog(path=tmp_path, columns=columns, format="parquet").files()
        return [row[1] for row in stage(connection, file).rows]

    assert read_users("id") == ["7", "8"]
    with pytest.raises(
        SourceFileError, match=r"a\.parquet: user\.ID is a field beside one whose name differs"
    ):
        read_users("ID")


def write_beside(folder, values, kind=None):
    """Three rows that can be read, with a column beside that no setting names."""
    table = pa.table({"user": [7, 8, 9], "item": [1, 2, 3], "at": [1500000000] * 3})
    pq.write_table(table.append_column("extra", pa.array(values, kind)), folder / "a.parquet")


LONG = pa.decimal256(76, 38)
PAIR = pa.list_(pa.float32(), 2)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([Decimal("1.5")] * 3, LONG),
        ([{"x": Decimal("1.5")}] * 3, pa.struct([("x", LONG)])),
        ([[Decimal("1.5")]] * 3, pa.list_(LONG, 1)),
        ([{"at": 1500000000123456789}] * 3, pa.struct([("at", pa.timestamp("ns", "UTC"))])),
        ([[1, 2], None, [3, 4]], PAIR),
        ([{"vector": [1, 2]}, {"vector": None}, None], pa.struct([("vector", PAIR)])),
    ],
)
def test_a_column_that_nobody_names_costs_no_row(connection, tmp_path, values, kind):
    write_beside(tmp_path, values, kind)
    assert read(connection, tmp_path) == (["7", "8", "9"], [])


def test_bytes_inside_a_structure_that_are_no_text_cost_their_own_row(connection, tmp_path):
    write_beside(tmp_path, [{"b": b"\xff"}, {"b": b"x"}, None])
    assert read(connection, tmp_path) == (["8", "9"], [(1, "extra is not valid UTF-8")])


def test_an_id_of_more_digits_than_other_decimals_have_is_read(connection, tmp_path):
    users = pa.array([12, 2**60 + 1]).cast(pa.decimal256(50, 0))
    pq.write_table(pa.table({"user": users, "item": [1, 2], "at": [1500000000] * 2}), tmp_path / "a.parquet")
    assert read(connection, tmp_path)[0] == ["12", str(2**60 + 1)]


def test_a_catalogue_has_no_field_of_a_column_that_cannot_be_read_and_says_so(connection, tmp_path):
    write_beside(tmp_path, [[1, 2], None, [3, 4]], PAIR)
    (file,) = Catalogue(path=tmp_path, columns={"item_id": "item", "title": "user"}, format="parquet").files()
    assert '{"title":"7","at":"1500000000"}' in stage(connection, file).rows[0]
    (note,) = file.notes
    assert note.startswith("a.parquet: its column extra is left out, for it has lists of a fixed size")


def test_a_list_of_fixed_size_that_is_always_there_is_a_field(connection, tmp_path):
    write_beside(tmp_path, [[1, 2], [None, 5], [3, 4]], PAIR)
    (file,) = Catalogue(path=tmp_path, columns={"item_id": "item", "title": "user"}, format="parquet").files()
    assert '"extra":"1.0 2.0"' in str(stage(connection, file).rows[0])
    assert not file.notes


def test_a_named_column_that_cannot_be_read_is_an_error_that_names_it(tmp_path):
    write_beside(tmp_path, [[1, 2], None, [3, 4]], PAIR)
    columns = COLUMNS | {"item_id": "extra"}
    (file,) = EventLog(path=tmp_path, columns=columns, format="parquet", unnest="extra").files()
    with pytest.raises(SourceFileError, match=r"a\.parquet: extra has lists of a fixed size.*of any size"):
        file.examine()
