"""Rows added to a table as one file, in whose path stands what they have in common."""

import pytest

from feature_store.intake.row_files import added_rows
from feature_store.lake.lake import LakeError
from feature_store.schemas import INTERACTIONS
from tests.feature_store.logs import ask

ROWS = """(
    SELECT 'e' || i AS interaction_id, 'ann' AS user_id, 'i1' AS item_id, to_timestamp(i) AS event_time,
           'view' AS kind, 1.0 AS weight FROM range(3) AS t(i)
)"""
COMMON = {"source": "log", "ingested_at": "2024-05-01 00:00:00.000001+00:00", "run_id": "r1"}


def add(lake, *, fail=lambda: None):
    def work(connection):
        with added_rows(connection, lake.data, INTERACTIONS, ROWS, COMMON) as num_rows:
            fail()
        return num_rows

    return lake.write(work, "rows")


def files(lake):
    return list(lake.data.rglob("*.parquet"))


def test_all_rows_have_what_they_have_in_common_though_it_stands_in_no_row(lake):
    assert add(lake) == 3
    common = (
        "SELECT source, ingested_at::VARCHAR, run_id, count(*), sum(weight) FROM interactions GROUP BY ALL"
    )
    assert ask(lake, common) == [("log", "2024-05-01 00:00:00.000001+00", "r1", 3, 3.0)]
    (file,) = files(lake)
    stored = ask(lake, f"SELECT name FROM parquet_schema('{file}') WHERE type IS NOT NULL")
    assert COMMON.keys().isdisjoint(name for (name,) in stored)


def test_the_file_goes_again_if_what_follows_fails(lake):
    def fail():
        assert len(files(lake)) == 1
        raise ZeroDivisionError("what follows")

    with pytest.raises(ZeroDivisionError, match="what follows"):
        add(lake, fail=fail)
    assert files(lake) == []
    assert add(lake) == 3
    assert len(files(lake)) == 1


def test_a_folder_that_cannot_be_made_is_told_and_loses_nothing(lake):
    in_the_way = lake.data / "main" / "interactions"
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    in_the_way.write_text("a file")
    with pytest.raises(LakeError, match=r"cannot write to .*: Not a directory. Nothing was lost"):
        add(lake)
    in_the_way.unlink()
    assert add(lake) == 3
