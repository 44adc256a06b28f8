"""Tables that never had a row: quick to ask, and like any other from their first row on."""

import pytest

from feature_store.lake.empty_tables import METADATA
from feature_store.lake.lake import Lake
from feature_store.schemas import SUPPRESSIONS, TABLES
from tests.feature_store.logs import ask

TABLE_STATISTICS = f"FROM {METADATA}.ducklake_table_stats WHERE table_id = ?"
COLUMN_STATISTICS = f"FROM {METADATA}.ducklake_table_column_stats WHERE table_id = ? ORDER BY column_id"
FIRST_ROW = "VALUES ('digest', 'salt', '2026-01-01 00:00:00+00', false)"


def asked_for_statistics(lake):
    """How often a query on each table asks the catalogue for the table's statistics."""
    cursor = lake.cursor()
    cursor.execute("CALL enable_logging('QueryLog')")
    for table in TABLES:
        assert cursor.execute(f"FROM {table.qualified_name}").fetchall() == []
    queries = [text for (text,) in cursor.execute("SELECT message FROM duckdb_logs").fetchall()]
    return len([text for text in queries if "ducklake_table_stats" in text]) / len(TABLES)


def test_a_query_on_an_empty_table_asks_for_its_statistics_once(lake):
    assert asked_for_statistics(lake) == 1


@pytest.mark.cluster
def test_so_it_does_where_postgresql_has_the_catalogue(catalog, tmp_path):
    assert asked_for_statistics(Lake(tmp_path / "lake", catalog=catalog)) == 1


def test_an_empty_table_has_neither_a_lowest_nor_a_highest_value(lake):
    for table in TABLES:
        ends = ", ".join(f"min({name}), max({name})" for name in table.column_names)
        ((count, *values),) = ask(lake, f"SELECT count(*), {ends} FROM {table.qualified_name}")
        assert (count, set(values)) == (0, {None})


def test_the_first_row_leaves_the_statistics_that_ducklake_has_of_a_table_of_its_own(lake):
    def fill(connection):
        connection.execute(f"CREATE TABLE main.plain AS FROM {SUPPRESSIONS.qualified_name} LIMIT 0")
        for name in ("main.plain", SUPPRESSIONS.qualified_name):
            connection.execute(f"INSERT INTO {name} {FIRST_ROW}")

    lake.write(fill, "a row in each")
    ids = f"SELECT table_name, table_id FROM {METADATA}.ducklake_table"
    tables = dict(ask(lake, ids))
    for statistics in (TABLE_STATISTICS, COLUMN_STATISTICS):
        plain, own = (
            [row[1:] for row in lake.cursor().execute(statistics, [tables[name]]).fetchall()]
            for name in ("plain", SUPPRESSIONS.name)
        )
        assert plain == own != []
