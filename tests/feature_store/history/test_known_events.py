"""What counts as a history: before a time, as known before another, of nobody who opted out or left."""

import re
from datetime import timedelta
from pathlib import Path

import evaluation
import feature_store
import flows
from feature_store.history.opt_outs import opt_in, opt_out
from feature_store.upkeep.erasure import erase_user
from tests.feature_store.logs import DAY, ask, hours, key_of, take_in_events

EVENTS = [
    ("e1", "ann", "i1", hours(1), 5.0),
    ("e2", "ann", "i2", hours(3), 4.0),
    ("e3", "bob", "i1", hours(3), 3.0),
]
LATER = DAY + timedelta(days=10_000)


def known(lake, *, as_of=LATER, known_before=LATER):
    sql = "SELECT interaction_id, item_id FROM known_events(?, ?) ORDER BY ALL"
    return ask(lake, sql, as_of, known_before)


def fill(lake, folder):
    take_in_events(lake, folder, EVENTS)


def test_an_event_at_the_very_time_is_not_before_it(filled):
    assert known(filled, as_of=DAY + timedelta(hours=3)) == [("e1", "i1")]
    assert len(known(filled, as_of=DAY + timedelta(hours=3, microseconds=1))) == 3


def test_an_event_learnt_of_at_the_very_time_was_not_known_before_it(filled):
    ((learnt_at,),) = ask(filled, "SELECT DISTINCT ingested_at FROM interactions")
    assert known(filled, known_before=learnt_at) == []
    assert len(known(filled, known_before=learnt_at + timedelta(microseconds=1))) == 3


def test_a_correction_is_known_from_when_it_came_and_what_it_replaced_until_then(filled, tmp_path):
    take_in_events(filled, tmp_path, [("e1", "ann", "i9", hours(1), 5.0)], name="correction")
    ((corrected_at,),) = ask(filled, "SELECT ingested_at FROM interactions WHERE interaction_id = 'e1'")
    assert ("e1", "i1") in known(filled, known_before=corrected_at)
    assert ("e1", "i9") in known(filled, known_before=corrected_at + timedelta(microseconds=1))
    assert len(known(filled, known_before=corrected_at)) == len(known(filled)) == 3


def test_whoever_opts_out_has_no_history_until_that_is_taken_back(filled):
    opt_out(filled, "ann")
    assert known(filled) == [("e3", "i1")]
    opt_in(filled, "ann")
    assert len(known(filled)) == 3


def test_whoever_is_forgotten_has_no_history(filled):
    erase_user(filled, key_of(filled, "ann"))
    assert known(filled) == [("e3", "i1")]


def test_nobody_else_decides_what_counts_as_a_history():
    """Raw events are for the macro, and who takes in, corrects, checks or erases, or lists what is in use."""
    table = r"((keyed\.)?(superseded_)?interactions\b|\{(SUPERSEDED_)?INTERACTIONS\.)"
    raw = re.compile(rf"(FROM|JOIN)\s+{table}", re.IGNORECASE)
    packages = [Path(package.__file__).parent for package in (feature_store, flows, evaluation)]
    users = {
        file.name for folder in packages for file in folder.rglob("*.py") if raw.search(file.read_text())
    }
    assert users == {
        "reader_views.py", "checks.py", "erasure.py", "forgotten_records.py", "items.py", "past_windows.py",
        "reference_pictures.py", "runs.py", "stale_states.py",
    }  # fmt: skip


def test_nobody_else_decides_what_is_liked():
    """Whether events add up to liking is said once, and no single event is enough."""
    asked = re.compile(r"HAVING f?sum\([\w.]*weight\) > 0|WHERE [\w.]*weight > 0|AND [\w.]*weight > 0 ")
    packages = [Path(package.__file__).parent for package in (feature_store, flows, evaluation)]
    files = {
        file.name for folder in packages for file in folder.rglob("*.py") if asked.search(file.read_text())
    }
    assert files == {"liking.py"}


def test_nobody_else_decides_who_opted_out():
    asked = re.compile(r"user_key NOT IN \(SELECT user_key FROM (keyed\.opt_outs|\{OPT_OUTS\.|\{OPTED_OUT\})")
    packages = [Path(package.__file__).parent for package in (feature_store, flows, evaluation)]
    files = {
        file.name for folder in packages for file in folder.rglob("*.py") if asked.search(file.read_text())
    }
    assert files == {"reader_views.py"}
