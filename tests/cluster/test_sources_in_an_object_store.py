"""Sources in an object store that speaks S3, with keys from the environment alone."""

from pathlib import Path

import pytest

from feature_store.lake.lake import Lake
from feature_store.lake.stored_files import ObjectFiles
from feature_store.schemas import TABLES
from feature_store.tables.notes import read_notes
from feature_store.tables.runs import open_run
from flows.settings import read_settings
from flows.stages.ingest import ingest_files
from recsys_adapters.errors import SourceFileError
from recsys_adapters.sources.event_log import EventLog
from tests.cluster.servers import KEY_ID, SECRET

pytestmark = pytest.mark.cluster

COLUMNS = {"user_id": "user", "item_id": "item", "event_time": "at"}
LOGS = {
    "logs/day=1/a.csv": "user,item,at\nann,i1,1714550400\n",
    "logs/day=1/b.csv": "user,item,at\nbob,i1,1714550401\n",
    "logs/day=2/a b+c.csv": "user,item,at\ncid,i2,1714550402\n",
    "logs/notes.txt": "no log",
}


@pytest.fixture
def bucket(storage):
    """An address under which the logs are."""
    files = ObjectFiles(storage)
    for path, text in LOGS.items():
        files.write(path, text.encode())
    return storage


@pytest.mark.parametrize(
    ("place", "names"),
    [
        ("logs", ["day=1/a.csv", "day=1/b.csv", "day=2/a b+c.csv"]),
        ("logs/", ["day=1/a.csv", "day=1/b.csv", "day=2/a b+c.csv"]),
        ("logs/day=*/a*.csv", ["day=1/a.csv", "day=2/a b+c.csv"]),
        ("logs/day=1/*.csv", ["a.csv", "b.csv"]),
        ("logs/day=1/b.csv", ["b.csv"]),
    ],
)
def test_files_of_a_bucket_are_read_like_files_of_a_folder(bucket, place, names):
    files = EventLog(path=Path(f"{bucket}/{place}"), columns=COLUMNS).files()
    assert [file.name for file in files] == names
    assert {file.path.read_text() for file in files} <= set(LOGS.values())


def test_a_place_without_files_is_an_error(bucket):
    with pytest.raises(SourceFileError, match="has no files: look at the address"):
        EventLog(path=Path(f"{bucket}/nothing"), columns=COLUMNS).files()


@pytest.mark.parametrize("secret", [SECRET, "another secret, and a wrong one"])
def test_a_night_reads_a_bucket_and_shows_its_secret_to_nobody(bucket, tmp_path, monkeypatch, caplog, secret):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    (tmp_path / "fan.toml").write_text(
        f'[[sources]]\nadapter = "event_log"\npath = "{bucket}/logs"\n'
        'columns = {user_id = "user", item_id = "item", event_time = "at"}\n'
    )
    lake = Lake(tmp_path / "lake")
    run = open_run(lake)
    counts = ingest_files(read_settings(tmp_path / "fan.toml"), lake, run)
    is_right = secret == SECRET
    assert (counts["accepted"], counts["faults"]) == ((3, 0) if is_right else (0, 1))
    if not is_right:
        (fault,) = [note for note in read_notes(lake, run.run_id) if note.severity == "fault"]
        assert "Look at the address, and at the credentials in the environment" in fault.message
    told = str([lake.query(f"FROM {table.qualified_name}").to_pylist() for table in TABLES]) + caplog.text
    assert not any(word in told for word in (secret, f"{KEY_ID}:", "Signature", "AWSAccessKeyId"))
    lake.close()
