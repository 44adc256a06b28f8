"""Logs whose files do not name their users: folders do, as Hive's partitions."""

import pytest

from feature_store.lake.lake import Lake
from feature_store.schemas import USERS
from feature_store.tables.runs import open_run
from recsys_adapters.sources.event_log import EventLog
from tests.feature_store.logs import append_file

COLUMNS = {"user_id": "user_id", "item_id": "item_id", "event_time": "event_time"}
FILES = {
    "p.csv": "item_id,event_time\ns3,1700000000\ns4,1700000001\n",
    "quoted.csv": 'item_id,event_time\n"s, 3",1700000000\n"s4",1700000001\n',
    "flawed.csv": "item_id,event_time\ns3,1700000000\ns4,1700000001\ns5\n",
}


@pytest.mark.parametrize("name", FILES)
def test_users_whom_only_folders_name_are_read(name, tmp_path):
    for user in ("bob", "50%25"):
        folder = tmp_path / "log" / f"user_id={user}"
        folder.mkdir(parents=True)
        (folder / name).write_text(FILES[name])
    lake = Lake(tmp_path / "lake")
    files = EventLog(path=tmp_path / "log", columns=COLUMNS).files()
    counts = [append_file(lake, file, open_run(lake)) for file in files]
    assert [one.accepted for one in counts] == [2, 2]
    users = lake.query(f"SELECT user_id FROM {USERS.qualified_name} ORDER BY ALL")
    assert users.column(0).to_pylist() == ["50%", "bob"]
    lake.close()
