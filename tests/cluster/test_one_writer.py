"""One committing writer on PostgreSQL, and one night, whichever machines they are on."""

import subprocess
import time
from pathlib import Path

import pytest

from feature_store.lake.lake import Lake, LakeError
from feature_store.lake.locks import AdvisoryLock, LockLostError, LockTimeoutError, UnsafeLockError
from flows.night_lock import NightInProgressError, hold_night, is_held
from flows.settings import read_settings
from tests.cluster.writers import HOLDING, count_doubled, replace
from tests.flows.nights import NIGHT, write_settings

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]


def database(catalog):
    return catalog.split("dbname=")[1].split()[0]


def end_sessions(postgres, pids):
    for pid in pids:
        postgres.ask(f"SELECT pg_terminate_backend({pid}, 5000)")


def holders(postgres, catalog):
    rows = postgres.ask(
        "SELECT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database "
        f"WHERE locktype = 'advisory' AND datname = '{database(catalog)}'"
    )
    return {pid for (pid,) in rows}


def settings_on(folder, catalog):
    folder.mkdir()
    return write_settings(folder, f'catalog = "{catalog}"\n{NIGHT}')


def test_two_machines_that_write_the_same_new_key_never_double_it(catalog):
    assert count_doubled(catalog, rounds=100, lock="advisory") == 0


def test_a_lock_that_each_machine_has_for_itself_would_double_keys(catalog):
    assert count_doubled(catalog, rounds=15, lock="file") > 0


def test_a_commit_that_another_came_before_is_done_over_even_without_a_lock(catalog):
    assert count_doubled(catalog, rounds=15, lock="fence") == 0


def test_a_write_whose_lock_is_lost_before_its_commit_leaves_nothing(postgres, catalog, tmp_path):
    lake = Lake(tmp_path / "lake", catalog=catalog)

    def lose(connection):
        replace(connection, 1)
        end_sessions(postgres, holders(postgres, catalog))

    with pytest.raises(LockLostError, match="the connection that held a lock of the lake is lost"):
        lake.write(lose, "lost")
    assert lake.query("SELECT count(*) AS n FROM night.target_states")["n"].to_pylist() == [0]
    lake.write(lambda connection: replace(connection, 1), "again")
    assert lake.query("SELECT count(*) AS n FROM night.target_states")["n"].to_pylist() == [1]
    lake.close()


def test_a_night_whose_lock_is_lost_commits_nothing_more(postgres, catalog, tmp_path):
    settings = read_settings(settings_on(tmp_path / "one", catalog))
    lake = Lake(settings.workspace / "lake", catalog=catalog)
    with hold_night(settings) as lock, lake.guarded_by(lock):
        lake.write(lambda connection: replace(connection, 1), "held")
        end_sessions(postgres, holders(postgres, catalog))
        with pytest.raises(LockLostError, match="nothing was written after that"):
            lake.write(lambda connection: replace(connection, 2), "lost")
    assert lake.query("SELECT user_key FROM night.target_states")["user_key"].to_pylist() == [1]
    lake.close()


def test_a_second_night_is_refused_until_the_first_is_killed(catalog, tmp_path):
    first, second = (settings_on(tmp_path / name, catalog) for name in ("one", "two"))
    holder = subprocess.Popen([*HOLDING, str(first)], stdout=subprocess.PIPE, cwd=ROOT)
    settings = read_settings(second)
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(NightInProgressError, match="another night is running"), hold_night(settings):
            pass
        assert is_held(settings)
        holder.kill()
        killed = time.monotonic()
        while is_held(settings):
            assert time.monotonic() - killed < 1
        with hold_night(settings):
            assert is_held(settings)
    finally:
        holder.kill()
        holder.wait()
    assert not is_held(settings)


def test_a_writer_waits_for_another_and_says_so_when_it_takes_too_long(catalog):
    address = catalog.removeprefix("postgres:")
    with AdvisoryLock(address, "writer", timeout=0).hold():
        with pytest.raises(LockTimeoutError, match="another session of PostgreSQL holds the lock writer"):
            AdvisoryLock(address, "writer", timeout=0.2).hold().__enter__()
        with AdvisoryLock(address, "night", timeout=0).hold():
            pass


def test_a_lock_may_be_taken_again_by_who_holds_it_and_is_free_when_the_last_block_ends(catalog):
    address = catalog.removeprefix("postgres:")
    lock, other = (AdvisoryLock(address, "writer", timeout=0) for _ in range(2))
    with lock.hold():
        with lock.hold():
            lock.check()
        lock.check()
    with pytest.raises(LockLostError, match="is lost"):
        lock.check()
    with other.hold():
        other.check()


class _SharedSession(AdvisoryLock):
    """As behind a pooler that gives all connections one session by turns."""

    def _connect(self):
        if not hasattr(self, "_one"):
            self._one = super()._connect()
        return self._one


def test_a_pooler_of_transactions_is_refused_and_the_server_itself_is_not(catalog):
    address = catalog.removeprefix("postgres:")
    AdvisoryLock(address, "writer", timeout=1).check_pooling()
    with pytest.raises(UnsafeLockError, match="let pgbouncer pool sessions, not transactions"):
        _SharedSession(address, "writer", timeout=1).check_pooling()


def test_a_server_that_does_not_answer_is_one_line_without_its_password(tmp_path):
    with pytest.raises(LockLostError, match="the catalogue's server is not reached") as refused:
        Lake(tmp_path, catalog="postgres:host=127.0.0.1 port=1 dbname=lake password=swordfish")
    assert "swordfish" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_writer_that_does_not_finish_is_named(catalog, tmp_path, monkeypatch):
    monkeypatch.setattr("feature_store.lake.lake.LOCK_TIMEOUT_SECONDS", 0.2)
    lake = Lake(tmp_path / "lake", catalog=catalog)
    with (
        AdvisoryLock(catalog.removeprefix("postgres:"), "writer", timeout=0).hold(),
        pytest.raises(LakeError, match=r"another writer has held the lake in .* for 0 s: wait for it"),
    ):
        lake.write(lambda connection: replace(connection, 1), "late")
    lake.close()
