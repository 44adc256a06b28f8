"""Small logs and catalogues, taken in through the real adapters."""

import csv
from datetime import UTC, datetime, timedelta

from feature_store.intake.file_batches import FileIntake, append_delivery
from feature_store.intake.known_files import find_known
from feature_store.intake.offers import offer_now
from feature_store.intake.source_files import append_together
from feature_store.tables.items import render_texts
from feature_store.tables.runs import close_window, open_run
from feature_store.tables.users import give_keys, look_up_key
from recsys_adapters.sources.catalogue import Catalogue
from recsys_adapters.sources.event_log import EventLog
from recsys_adapters.sources.recommendations import Recommendations

EVENT_COLUMNS = ("event", "user", "item", "time", "weight")
DAY = datetime(2024, 5, 1, tzinfo=UTC)


def hours(number):
    """A time `number` hours into the day of the tests, as a log writes it."""
    return (DAY + timedelta(hours=number)).isoformat()


def offer(file, earlier=()):
    """A file as it is offered to the lake."""
    return offer_now(file, earlier)


def append_file(lake, file, run, *, earlier=()):
    """Take one file in; return its ledger entry, or None if it is known."""
    offered = offer(file, earlier)
    if find_known(lake, [offered]):
        return None
    (counts,) = append_together(lake, [offered], file.examine(), run)
    return counts


def take_in_together(lake, folder):
    """What became of each file of a folder of events, all of which are read together."""
    columns = {"user_id": "user", "item_id": "item", "event_time": "time", "event_id": "event"}
    log = EventLog(path=folder, columns=columns, time_format="iso8601")
    intake = FileIntake(lake=lake, run=open_run(lake))
    return [made for _, made in intake.append_logs([offer(file) for file in log.files()])]


def take_in_events(lake, folder, events, *, name="events", run=None, source="event_log"):
    """Append a log of (event, user, item, time, weight) as one file; return its ledger entry."""
    file = write_csv(folder / "logs" / f"{name}.csv", EVENT_COLUMNS, events)
    log = EventLog(
        path=file,
        columns={"user_id": "user", "item_id": "item", "event_time": "time", "weight": "weight"}
        | {"event_id": "event"},
        time_format="iso8601",
        source=source,
    )
    return append_file(lake, next(iter(log.files())), run or open_run(lake))


def take_in_items(lake, folder, titles, *, name="items", run=None):
    """Append a catalogue of {item: title}; return its ledger entry."""
    file = write_csv(folder / "logs" / f"{name}.csv", ("item", "title"), titles.items())
    catalogue = Catalogue(path=file, columns={"item_id": "item", "title": "title"})
    return append_file(lake, next(iter(catalogue.files())), run or open_run(lake))


def take_in_targets(lake, folder, targets, *, name="targets", run=None, per_user=None):
    """Deliver a recommendation list of (user, item, rank); return its ledger entry."""
    file = write_csv(folder / "logs" / f"{name}.csv", ("user_id", "item_id", "rank"), targets)
    offers = [offer(one) for one in Recommendations(path=file).files()]
    ((_, entry),) = append_delivery(lake, offers, run or open_run(lake), per_user=per_user)
    return entry


def write_csv(file, columns, rows):
    file.parent.mkdir(exist_ok=True)
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([columns, *rows])
    return file


def close(lake):
    """End the open run's window now."""
    return close_window(lake, open_run(lake))


def render(lake):
    return render_texts(lake, reference_template="{title}", target_template="{title} poster")


def key_of(lake, user):
    """The key of a user, given now if no log has named the user yet."""
    if look_up_key(lake, user) is None:
        lake.write(lambda connection: give_keys(connection, f"SELECT '{user}' AS user_id"), "a user")
    return look_up_key(lake, user)


def id_of(lake, key):
    """Whose a key is."""
    return ask(lake, "SELECT user_id FROM keyed.users WHERE user_key = ?", key)[0][0]


def users_of(lake, table):
    """Ids of the users whom a table has rows of."""
    users = f"{table} JOIN keyed.users USING (user_key)"
    return [user for (user,) in ask(lake, f"SELECT DISTINCT user_id FROM {users} ORDER BY 1")]


def ask(lake, sql, *parameters):
    """Rows of a query, as tuples."""
    return [tuple(row.values()) for row in lake.query(sql, list(parameters)).to_pylist()]


def write_states(lake, users):
    """Say of users that their targets and profiles are up to date."""
    for key in [key_of(lake, user) for user in users]:
        lake.write(
            lambda connection, key=key: connection.execute(
                f"INSERT INTO night.target_states VALUES ({key}, 'r', 'n');"
                f"INSERT INTO night.profile_states VALUES ({key}, 'i7', 'd', 'r', 'n')"
            ),
            "states",
        )
