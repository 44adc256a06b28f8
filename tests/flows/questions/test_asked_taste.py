"""Who asks for a picture or a search now gets the references that a night would select."""

from datetime import UTC, datetime

import numpy as np
import pytest

from feature_store.history.opt_outs import opt_out
from feature_store.history.tastes import OptedOutError
from feature_store.tables.users import UnknownUserError
from feature_store.vectors.reference_store import ReferenceStore
from flows.model.champion import load_champion
from flows.questions.asked_taste import select_taste
from flows.settings import read_settings
from flows.stages.crowd import current_crowd
from flows.workspace import open_lake
from tests.flows.nights import CONTRASTED, ask, run, sample_ratings, write_movielens, write_settings

pytestmark = pytest.mark.whole

NEWCOMER = (9, 3, 5.0, 1_000_900_000)
COLD = "cold_start = true\nlittle_history = 3\n"
SELECTED = """
    SELECT item.reference_text, profile.weight FROM profiles AS profile
    JOIN items AS item ON item.item_id = profile.reference_item_id
    WHERE profile.user_id = '{}' AND profile.item_id = '{}'
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A night in which a user who has done one thing has a target, too."""
    folder = tmp_path_factory.mktemp("shop")
    write_movielens(folder / "logs", [*sample_ratings(), NEWCOMER])
    text = CONTRASTED.replace("max_users = 4", "max_users = 9").replace("distinctive", COLD + "distinctive")
    file = write_settings(folder, text)
    run(file)
    return file


def selected(file, user, prompt):
    settings = read_settings(file)
    lake, artist = open_lake(settings, read_only=True), load_champion(settings).artist
    crowd = current_crowd(settings, lake, artist.encoder_fingerprint, datetime.now(UTC))
    try:
        return select_taste(settings, lake, artist, user, prompt, crowd)
    finally:
        lake.close()


def prompt_of(file, item):
    return ask(file, f"SELECT target_text FROM items WHERE item_id = '{item}'")[0][0]


def test_who_has_little_history_is_lent_what_the_night_lends(shop):
    ((target,),) = ask(shop, "SELECT item_id FROM targets WHERE user_id = '9'")
    found = selected(shop, "9", prompt_of(shop, target))
    assert found == dict(ask(shop, SELECTED.format("9", target)))
    assert len(found) == 3


def test_what_an_item_was_liked_for_is_no_reference_of_its_own_prompt(shop):
    own = ask(shop, "SELECT reference_text FROM items WHERE item_id = '3'")[0][0]
    assert own not in selected(shop, "9", prompt_of(shop, "3"))
    assert own in selected(shop, "9", "a western")


def test_nobody_asks_for_those_who_opted_out_or_were_never_there(shop):
    with pytest.raises(UnknownUserError, match="user nobody is unknown"):
        selected(shop, "nobody", "a western")
    lake = open_lake(read_settings(shop))
    opt_out(lake, "9")
    lake.close()
    with pytest.raises(OptedOutError, match="user 9 opted out"):
        selected(shop, "9", "a western")


def test_texts_that_came_after_the_last_night_are_compared_as_well(shop, monkeypatch):
    stored = selected(shop, "1", "a western")
    missing = ReferenceStore.missing

    def forget_some(store, ids):
        return np.union1d(missing(store, ids), np.unique(ids)[::2])

    monkeypatch.setattr(ReferenceStore, "missing", forget_some)
    assert selected(shop, "1", "a western") == stored
