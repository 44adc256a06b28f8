"""Files of one content: what their folders tell of their records keeps them apart, their names do not."""

from feature_store.intake.file_batches import FileIntake
from feature_store.intake.known_files import Known
from feature_store.tables.runs import open_run
from feature_store.upkeep.checks import check_tables
from recsys_adapters.sources.event_log import EventLog
from tests.feature_store.logs import ask, offer

COLUMNS = {"user_id": "user", "item_id": "item", "event_time": "at"}
LOG = "user,item,at,what\nann,i1,1500000000,view\nann,i2,1500000100,buy\nbob,i1,1500000200,buy\n"


def found(lake, columns="user_id, item_id"):
    return ask(lake, f"SELECT {columns} FROM interactions ORDER BY ALL")


def broken_promises(lake):
    return [finding.promise for finding in check_tables(lake) if finding.num_offenders]


def take_in_folder(lake, folder, **options):
    """Take the logs of a folder in as a night does; say of which files nothing was known."""
    logs = EventLog(**({"path": folder, "columns": COLUMNS | {"kind": "type"}} | options)).files()
    offers = [offer(log) for log in logs]
    intake = FileIntake(lake=lake, run=open_run(lake))
    taken = intake.append_logs(offers, offering={one.offering for one in offers})
    return [one.file.name for one, outcome in taken if not isinstance(outcome, Known)]


def copies(folder, *kinds):
    for kind in kinds:
        (folder / f"type={kind}").mkdir(parents=True)
        (folder / f"type={kind}" / "log.csv").write_text(LOG)


def test_files_of_one_content_whose_folders_tell_of_other_things_stay_side_by_side(lake, tmp_path):
    copies(tmp_path / "logs", "view", "buy")
    assert take_in_folder(lake, tmp_path / "logs") == ["type=buy/log.csv", "type=view/log.csv"]
    assert ask(lake, "SELECT kind, count(*) FROM interactions GROUP BY ALL ORDER BY ALL") == [
        ("buy", 3),
        ("view", 3),
    ]
    assert take_in_folder(lake, tmp_path / "logs") == []
    assert not broken_promises(lake)


def test_a_copy_whose_events_are_told_apart_by_their_files_alone_counts_once(lake, tmp_path):
    (tmp_path / "logs").mkdir()
    for name in ("log.csv", "copy.csv"):
        (tmp_path / "logs" / name).write_text(LOG)
    columns = COLUMNS | {"kind": "what"}
    for taken in (["copy.csv"], []):
        assert take_in_folder(lake, tmp_path / "logs", columns=columns, identity="none") == taken
        assert len(found(lake)) == 3


def test_files_of_one_content_are_each_read_anew_once_by_other_settings(lake, tmp_path):
    copies(tmp_path / "logs", "view", "buy")
    take_in_folder(lake, tmp_path / "logs")
    weights = {"view": 1.0, "buy": 3.0}
    assert len(take_in_folder(lake, tmp_path / "logs", kinds=weights)) == 2
    assert found(lake, "DISTINCT kind, weight") == [("buy", 3.0), ("view", 1.0)]
    assert len(found(lake)) == 6
    assert take_in_folder(lake, tmp_path / "logs", kinds=weights) == []
    assert not broken_promises(lake)


def test_a_file_that_is_moved_to_where_it_belongs_takes_its_rows_along(lake, tmp_path):
    copies(tmp_path / "logs", "view")
    take_in_folder(lake, tmp_path / "logs")
    (tmp_path / "logs" / "type=view").rename(tmp_path / "logs" / "type=buy")
    assert take_in_folder(lake, tmp_path / "logs") == ["type=buy/log.csv"]
    assert found(lake, "DISTINCT kind") == [("buy",)]
    assert len(found(lake)) == 3
