"""Past nights: plain names show what readers saw then, and nobody else's view moves."""

from datetime import timedelta

import pytest

from feature_store.lake.lake import Lake
from feature_store.tables.past_nights import UnknownNightError, open_night
from feature_store.tables.runs import read_last_published
from feature_store.upkeep.maintenance import maintain_lake
from tests.feature_store.logs import ask, hours, take_in_events, take_in_items, take_in_targets
from tests.feature_store.nights import finish_night

SHOWN = "SELECT user_id, title, reference_titles FROM pictures ORDER BY title"
FIRST = ("ann", "The Goal", ["One"])


def fill(lake, folder):
    """One published night, of one picture."""
    take_in_items(lake, folder, {"i1": "One", "i2": "Two", "goal": "The Goal"})
    take_in_events(lake, folder, [("e1", "ann", "i1", hours(1), 5.0)])
    take_in_targets(lake, folder, [("ann", "goal", 1)])
    finish_night(lake, folder)


@pytest.fixture
def lake(filled):
    return filled


def publish_another(lake, folder):
    """A night later, in which another list names another item; returns the run of the night before."""
    before = read_last_published(lake).run_id
    take_in_targets(lake, folder, [("ann", "i2", 1)], name="later")
    finish_night(lake, folder)
    return before


def test_an_earlier_night_is_shown_as_readers_saw_it(lake, tmp_path):
    before = publish_another(lake, tmp_path)
    assert open_night(lake, before).execute(SHOWN).fetchall() == [FIRST]
    assert ask(lake, SHOWN) == [FIRST, ("ann", "Two", ["One"])]
    last = read_last_published(lake).run_id
    assert open_night(lake, last).execute(SHOWN).fetchall() == ask(lake, SHOWN)


def test_an_earlier_night_is_read_without_writing(lake, tmp_path):
    before = publish_another(lake, tmp_path)
    lake.close()
    reader = Lake(tmp_path / "lake", read_only=True)
    assert open_night(reader, before).execute(SHOWN).fetchall() == [FIRST]
    reader.close()


def test_a_night_that_is_not_there_is_refused_with_those_that_are(lake):
    known = read_last_published(lake).run_id
    with pytest.raises(UnknownNightError, match=f"no night monday was published. .* are: {known}"):
        open_night(lake, "monday")


def test_a_night_whose_snapshot_was_deleted_is_said_to_be_gone(lake, tmp_path):
    before = publish_another(lake, tmp_path)
    maintain_lake(lake, keep=timedelta(0))
    with pytest.raises(UnknownNightError, match=f"no night {before} is kept any more"):
        open_night(lake, before)
