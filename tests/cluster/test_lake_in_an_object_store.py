"""A lake whose Parquet files are in an object store, whichever catalogue it has."""

from datetime import timedelta

import pytest

from feature_store.lake.lake import Lake, LakeError
from feature_store.lake.stored_files import ObjectFiles
from feature_store.upkeep.maintenance import maintain_lake, purge_lake

pytestmark = pytest.mark.cluster

MANY = "INSERT INTO night.target_states SELECT i, 'user-' || i, 'n' FROM range(2000) AS t(i)"


def count(lake):
    return lake.query("SELECT count(*) AS n FROM night.target_states")["n"].to_pylist()


@pytest.fixture(params=["sqlite", "postgres"])
def lake(request, tmp_path, storage):
    catalog = None if request.param == "sqlite" else request.getfixturevalue("catalog")
    lake = Lake(tmp_path / "lake", catalog=catalog, storage=storage)
    lake.write(lambda connection: connection.execute(MANY), "many")
    yield lake
    lake.close()


def test_parquet_files_are_in_the_object_store_and_none_on_the_machine(lake, storage):
    (path,) = ObjectFiles(storage).list("lake/data")
    assert path.endswith(".parquet")
    assert list(lake.folder.rglob("*.parquet")) == []
    assert count(lake) == [2000]


def test_a_transaction_that_fails_leaves_rows_as_they_were_and_upkeep_takes_its_file(lake, storage):
    def fail(connection):
        connection.execute(MANY)
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        lake.write(fail, "half")
    assert count(lake) == [2000]
    maintain_lake(lake, keep=timedelta(days=1))
    assert len(list(ObjectFiles(storage).list("lake/data"))) == 1


def test_what_is_purged_is_in_no_object_any_more(lake, storage):
    delete = "DELETE FROM night.target_states WHERE user_key = 1234"
    lake.write(lambda connection: connection.execute(delete), "delete")
    purge_lake(lake)
    files = ObjectFiles(storage)
    contents = [files.read(path) for path in files.list("")]
    assert count(lake) == [1999]
    assert contents
    assert not any(b"user-1234" in content for content in contents)


def test_no_answer_of_the_database_shows_the_keys(lake, object_store):
    shown = str(lake.query("SELECT * FROM duckdb_secrets()").to_pylist())
    assert "fan" in shown
    assert object_store.variables["AWS_SECRET_ACCESS_KEY"] not in shown


def test_a_sqlite_catalogue_that_is_lost_is_not_begun_anew_over_its_files(tmp_path, storage):
    lake = Lake(tmp_path / "lake", storage=storage)
    lake.write(lambda connection: connection.execute(MANY), "many")
    lake.close()
    for file in lake.folder.glob("catalog.sqlite*"):
        file.unlink()
    with pytest.raises(LakeError, match="is missing, but not its Parquet files"):
        Lake(tmp_path / "lake", storage=storage)
