"""A source file staged: read once, its accepted rows in a file that the lake can take over."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from feature_store.intake.staging import LAST_FIRST, _joins_as_written, stage
from feature_store.lake.lake import LakeError
from feature_store.schemas import INTERACTIONS
from tests.feature_store.logs import ask, key_of

RECORDS = """
    SELECT 0 AS place, i AS line, CASE WHEN i = 2 THEN 'too old' END AS reason, 'raw ' || i AS raw,
           'e' || i AS interaction_id, 'ann' AS user_id, 'i1' AS item_id, to_timestamp(i) AS event_time,
           'view' AS kind, 1.0::DOUBLE AS weight, 'log' AS source FROM range(4) AS t(i)
"""
COMMON = {"source": "log", "ingested_at": "2024-05-01 00:00:00.000001+00:00", "run_id": "r1"}


@pytest.fixture
def ann(lake):
    return key_of(lake, "ann")


def staged(lake, *, is_large=True, common=COMMON):
    return stage(lake, lake.cursor(), INTERACTIONS, RECORDS, common=common, is_large=is_large)


def files(lake):
    return [*Path(lake.data).rglob("*.parquet"), *lake.spill.rglob("*.parquet")]


def test_accepted_rows_have_keys_in_the_place_of_ids_and_what_all_have_in_common(lake, ann):
    with staged(lake) as file:
        assert file.num_rows == (3,)
        rows = ask(
            lake, f"SELECT interaction_id, user_key, source, ingested_at::VARCHAR, run_id FROM {file.rows}"
        )
        assert rows == [(f"e{i}", ann, "log", "2024-05-01 00:00:00.000001+00", "r1") for i in (0, 1, 3)]
        stored = ask(lake, f"SELECT name FROM parquet_schema('{file.path}') WHERE type IS NOT NULL")
        assert COMMON.keys().isdisjoint(name for (name,) in stored)


def test_rows_know_where_they_stood_and_the_lake_does_not(lake, ann):
    with staged(lake) as file:
        rows = ask(lake, f"SELECT interaction_id, line FROM {file.rows} ORDER BY {LAST_FIRST}")
        assert rows == [("e3", 3), ("e1", 1), ("e0", 0)]
        lake.write(file.take_over, "taken over")
    assert "line" not in lake.query("FROM keyed.interactions").column_names


def test_records_are_streamed_through_a_join_however_few_duckdb_takes_them_for():
    connection = duckdb.connect()
    users = pa.table({"user_id": [f"u{number}" for number in range(1000)], "user_key": range(1000)})
    connection.register("known", users)
    connection.execute("CREATE TABLE users AS FROM known")
    connection.register("records", pa.RecordBatchReader.from_batches(users.schema, users.to_batches()))
    join = "EXPLAIN (FORMAT json) SELECT users.user_key FROM records JOIN users USING (user_id)"

    def is_streamed() -> bool:
        """Whether the records are the left side, of which no table is made."""
        plan = connection.execute(join).fetchall()[0][1]
        return plan.index("ARROW_SCAN") < plan.index("SEQ_SCAN")

    assert not is_streamed()
    with _joins_as_written(connection):
        assert is_streamed()
    assert not is_streamed()


def test_refused_records_are_kept_with_their_user(lake, ann):
    with staged(lake) as file:
        assert ask(lake, f"FROM {file.refused}") == [(0, 2, "too old", "raw 2", "ann")]


def test_a_file_that_is_taken_over_is_one_of_the_tables(lake, ann):
    with staged(lake) as file:
        lake.write(file.take_over, "taken over")
    assert file.path.exists()
    common = "SELECT source, ingested_at::VARCHAR, run_id, count(*) FROM interactions GROUP BY ALL"
    assert ask(lake, common) == [("log", "2024-05-01 00:00:00.000001+00", "r1", 3)]


@pytest.mark.parametrize("is_large", [True, False])
def test_nothing_stays_of_a_file_that_is_not_taken_over(lake, ann, is_large):
    def fail():
        with staged(lake, is_large=is_large) as file:
            assert file.path in files(lake)
            raise ZeroDivisionError("what follows")

    with pytest.raises(ZeroDivisionError, match="what follows"):
        fail()
    assert files(lake) == []


def test_a_file_whose_folders_would_have_too_long_a_name_is_not_to_be_taken_over(lake, ann):
    with staged(lake, common=COMMON | {"source": "x" * 300}) as file:
        assert not file.can_be_taken_over
        assert ask(lake, f"SELECT DISTINCT source FROM {file.rows}") == [("x" * 300,)]


def test_a_folder_that_cannot_be_made_is_told_and_loses_nothing(lake, ann):
    in_the_way = Path(lake.data) / "keyed" / "interactions"
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    in_the_way.write_text("a file")
    with (
        pytest.raises(LakeError, match=r"cannot write to .*: Not a directory. Nothing was lost"),
        staged(lake),
    ):
        pass
    in_the_way.unlink()
    with staged(lake) as file:
        assert file.num_rows == (3,)
