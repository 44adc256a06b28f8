"""Runs of the nightly flow: a run is open from its first stage until it is published.

A run that failed or was killed stays open, and the next stage carries it on: what is done is not done again.
"""

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from duckdb import DuckDBPyConnection

from feature_store.lake.lake import Lake
from feature_store.tables.notes import Note, read_notes

PUBLISHED = "published"
FAULTY = "published with faults"
"""Readers see the night, and something of it is missing: a file that could not be read, or a picture."""
ENDED = (PUBLISHED, FAULTY)

LEVELS = {"references", "crowd_texts", "users", "targets"}
"""Counts of what there is, not of what was done."""


CLOCK_TOLERANCE = timedelta(hours=1)
"""How far a clock may go back: clocks are corrected a little all the time."""
LONGEST_PAUSE = timedelta(days=366)
"""Between two nights; a clock that says more has rather jumped."""


class ClockError(RuntimeError):
    """The machine's clock says what cannot be: nothing was taken in."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of the nightly flow."""

    run_id: str
    window_start: datetime | None
    """End of the window before; None for the first run."""
    window_end: datetime
    """What was known before this time counts."""


@dataclass(frozen=True, kw_only=True)
class RunRecord(Run):
    """What is noted of a run: a row of `runs`, its counts and seconds read from JSON."""

    status: str
    """`running`, `failed`, `published` or `published with faults`."""
    counts: dict[str, dict[str, int]]
    """What each stage did, by stage and name."""
    seconds: dict[str, float]
    """How long each stage took."""
    reason: str | None
    """Why it failed, or what is missing."""
    snapshot_id: int | None
    """The snapshot that readers see since it was published."""
    notes: tuple[Note, ...] = ()
    """What there is to know about the files that it took in."""

    @property
    def has_faults(self) -> bool:
        """Whether something is missing of what the night, or its ingest stage alone, was to bring."""
        return self.status == FAULTY or any(note.severity == "fault" for note in self.notes)


def open_run(lake: Lake, *, accepts_clock: bool = False) -> Run:
    """Carry on the run that is not published yet, or begin a new one, with its window up to now.

    Args:
        lake: whose run.
        accepts_clock: whether the clock is right, whatever it says.

    Raises:
        ClockError: the clock is before the last night, or a year after it.
    """
    now = datetime.now(UTC)
    if not accepts_clock:
        check_clock(lake, now)

    def begin(connection: DuckDBPyConnection) -> Run:
        found = connection.execute(
            "SELECT run_id, window_start, window_end FROM runs WHERE NOT list_contains(?, status) "
            "ORDER BY run_id LIMIT 1",
            [ENDED],
        ).fetchone()
        if found:
            _set(connection, found[0], status="running", reason=None)
            return Run(run_id=found[0], window_start=found[1], window_end=found[2])
        start = _last_window_end(connection)
        run = Run(run_id=_new_run_id(now), window_start=start, window_end=_window_end(connection, now))
        connection.execute(
            "INSERT INTO runs VALUES (?, ?, ?, 'running', '{}', '{}', NULL, NULL)",
            [run.run_id, run.window_start, run.window_end],
        )
        if start is not None:
            _forget_states(connection, start, run.window_end)
        return run

    return lake.write(begin, "open a run")


def check_clock(lake: Lake, now: datetime) -> None:
    """Compare the clock with the latest time that the lake knows.

    Raises:
        ClockError: it is before that, or a year after it.
    """
    sql = (
        "SELECT greatest((SELECT max(window_end) FROM runs), "
        "(SELECT max(ingested_at) FROM keyed.ingested_files)) AS latest"
    )
    latest = lake.query(sql)["latest"][0].as_py()
    if latest is None or latest - CLOCK_TOLERANCE <= now <= latest + LONGEST_PAUSE:
        return
    what = "before" if now < latest else "more than a year after"
    raise ClockError(
        f"the clock says {now:%Y-%m-%d %H:%M} UTC, which is {what} the last night ({latest:%Y-%m-%d %H:%M}): "
        "set it right; if it is right, run once with FAN_ACCEPT_CLOCK=true. Nothing was taken in"
    )


def reread_run(lake: Lake, run: Run) -> Run:
    """Return the run as it stands now: ingesting moves the end of its window."""
    row = lake.query("SELECT run_id, window_start, window_end FROM runs WHERE run_id = ?", [run.run_id])
    return Run(**row.to_pylist()[0])


def record_stage(lake: Lake, run: Run, stage: str, counts: dict[str, int], seconds: float) -> None:
    """Note what a stage did; a stage that ran before in this run has its counts added up.

    What a stage counts anew each time, `LEVELS`, is not: it is what there is since the last one.
    """

    def record(connection: DuckDBPyConnection) -> None:
        row = connection.execute("SELECT counts, seconds FROM runs WHERE run_id = ?", [run.run_id]).fetchone()
        all_counts, all_seconds = (json.loads(text) for text in row or ("{}", "{}"))
        before = all_counts.get(stage, {})
        added = {
            name: count if name in LEVELS else count + before.get(name, 0) for name, count in counts.items()
        }
        all_counts[stage] = before | added
        all_seconds[stage] = round(all_seconds.get(stage, 0.0) + seconds, 3)
        _set(connection, run.run_id, counts=json.dumps(all_counts), seconds=json.dumps(all_seconds))

    lake.write(record, f"record {stage}")


def close_window(lake: Lake, run: Run) -> Run:
    """End the run's window now, so that all it has ingested so far counts.

    Events that lay in the future when their users were looked at are history now: the states go.
    """

    def close(connection: DuckDBPyConnection) -> Run:
        end = _window_end(connection, datetime.now(UTC))
        _set(connection, run.run_id, window_end=end)
        _forget_states(connection, run.window_end, end)
        return Run(run_id=run.run_id, window_start=run.window_start, window_end=end)

    return lake.write(close, "close the window")


def fail_run(lake: Lake, run: Run, reason: str) -> None:
    """Note that the run stopped; it stays open and the next one carries it on."""
    lake.write(lambda connection: _set(connection, run.run_id, status="failed", reason=reason), "run failed")


def publish_run(lake: Lake, run: Run, *, faults: str | None = None) -> int:
    """Show the run's rows to readers, all at once; return the snapshot that they see.

    Args:
        lake: where the rows are.
        run: the night.
        faults: what is missing of it, if anything is.
    """
    status = FAULTY if faults else PUBLISHED

    def mark(connection: DuckDBPyConnection, snapshot_id: int) -> None:
        _set(connection, run.run_id, status=status, reason=faults, snapshot_id=snapshot_id)

    return lake.publish(f"publish {run.run_id}", mark)


def read_run(lake: Lake, run_id: str) -> RunRecord:
    """Return what is noted of a run."""
    row = lake.query("SELECT * FROM runs WHERE run_id = ?", [run_id]).to_pylist()[0]
    parsed = {name: json.loads(row[name]) for name in ("counts", "seconds")}
    return RunRecord(**row | parsed, notes=tuple(read_notes(lake, run_id)))


def read_last_published(lake: Lake) -> RunRecord | None:
    """Return what is noted of the run that readers see; None if no night was published yet."""
    last = lake.query(
        "SELECT run_id FROM runs WHERE list_contains(?, status) ORDER BY window_end DESC LIMIT 1", [ENDED]
    )["run_id"].to_pylist()
    return read_run(lake, last[0]) if last else None


def _new_run_id(now: datetime) -> str:
    return f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"


def _last_window_end(connection: DuckDBPyConnection) -> datetime | None:
    row = connection.execute(
        "SELECT max(window_end) FROM runs WHERE list_contains(?, status)", [ENDED]
    ).fetchone()
    return row[0] if row else None


def _window_end(connection: DuckDBPyConnection, now: datetime) -> datetime:
    """Return now, or later if a clock that was set back says less than what is in the lake already."""
    row = connection.execute(
        "SELECT greatest(?::TIMESTAMPTZ, (SELECT max(window_end) FROM runs), "
        "(SELECT max(ingested_at) + INTERVAL 1 MICROSECOND FROM keyed.ingested_files))",
        [now],
    ).fetchone()
    return row[0] if row else now


def _forget_states(connection: DuckDBPyConnection, start: datetime, end: datetime) -> None:
    """Take away the states of the users with events between two times: the clock has reached them."""
    for state in ("target_states", "profile_states"):
        connection.execute(
            f"DELETE FROM night.{state} WHERE user_key IN "
            "(SELECT user_key FROM keyed.interactions WHERE event_time >= ? AND event_time < ?)",
            [start, end],
        )


def _set(connection: DuckDBPyConnection, run_id: str, **values: object) -> None:
    assignments = ", ".join(f"{column} = ?" for column in values)
    connection.execute(f"UPDATE runs SET {assignments} WHERE run_id = ?", [*values.values(), run_id])
