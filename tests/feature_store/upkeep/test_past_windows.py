"""A past window holds what was known at its end, and makes the profiles that its own night made."""

import pyarrow as pa
import pytest

from feature_store.lake.lake import Lake
from feature_store.tables.runs import close_window, open_run
from feature_store.tables.targets import replace_targets, scan_stale_users
from feature_store.upkeep.past_windows import copy_given_targets, copy_known, copy_made_targets, read_window
from tests.feature_store.logs import ask, hours, render, take_in_events, take_in_items, take_in_targets
from tests.feature_store.nights import embed, finish_night, profile

pytestmark = pytest.mark.whole

PROFILES = (
    "SELECT user_id, made.* EXCLUDE (user_key, snapshot_id) FROM {table} AS made "
    "JOIN keyed.users USING (user_key) WHERE run_id = '{run_id}' ORDER BY ALL"
)
USERS = ("ann", "bob", "cid", "dan", "eve")


def goals(but=None):
    return [(user, "goal", 1) for user in USERS if user != but]


def night(lake, folder, number):
    """One of three nights; return its id and the profiles that it made."""
    if number == 0:
        titles = {f"i{number}": f"Title {number}" for number in range(6)}
        take_in_items(lake, folder, titles | {"goal": "Goal", "aim": "Aim"})
        events = [(f"{user}{n}", user, f"i{n}", hours(n), 1.0 + n) for user in USERS for n in range(3)]
        take_in_events(lake, folder, events)
        take_in_targets(lake, folder, goals())
    if number == 1:
        late, moved = ("late", "ann", "i5", hours(0), 3.0), ("bob1", "cid", "i1", hours(1), 2.0)
        take_in_events(lake, folder, [late, moved], name="late and corrected")
        take_in_targets(lake, folder, [*goals(), ("eve", "aim", 2)], name="new list")
    if number == 2:
        take_in_items(lake, folder, {"i2": "Title 2, revised"}, name="revised")
        take_in_events(lake, folder, [("ann0", "ann", "i0", hours(0), 9.0)], name="again")
        take_in_targets(
            lake, folder, [*goals(but="dan"), ("eve", "aim", 2), ("dan", "aim", 1)], name="newer list"
        )
    run_id = finish_night(lake, folder).run_id
    return run_id, ask(lake, PROFILES.format(table="night.profiles", run_id=run_id))


def test_a_past_window_makes_the_profiles_of_then(lake, tmp_path):
    nights = [night(lake, tmp_path, number) for number in range(3)]
    # The second night: a late event, an event moved from one user to another, a longer list.
    who = [{row[0] for row in made} for _, made in nights]
    assert who == [set(USERS), {"ann", "bob", "cid", "eve"}, set(USERS)]
    for run_id, expected in nights:
        run = read_window(lake, run_id)
        past = Lake(tmp_path / run_id)
        copy_known(lake, past, run, targets_recipe="t")
        copy_given_targets(lake, past, run, profile_recipe="p")
        render(past)
        embed(past, tmp_path)
        profile(past, run)
        assert ask(past, PROFILES.format(table="night.profiles", run_id=run_id)) == expected
        past.close()


def make_targets(lake, run):
    """As a recommender might: who met i0 is to see it, and the goal, which nobody met."""
    users = scan_stale_users(lake, known_before=run.window_end, recipe_digest="t", max_users=None)
    met = [row[0] for row in ask(lake, "SELECT DISTINCT user_key FROM interactions WHERE item_id = 'i0'")]
    rows = [
        {"user_key": user, "item_id": item, "rank": rank, "score": None, "as_of": None}
        for user in users
        for rank, item in enumerate(("goal", "i0"), start=1)
        if user in met
    ]
    names = ["user_key", "item_id", "rank", "score", "as_of"]
    schema = lake.query("FROM night.targets LIMIT 0").select(names).schema
    table = pa.Table.from_pylist(rows, schema=schema)
    replace_targets(lake, run, users, table, source="recommender", recipe_digest="t")


def night_with_made_targets(lake, folder, number):
    """One of three nights: the second leaves eve without a target, the third renames the goal."""
    if number == 0:
        take_in_items(
            lake, folder, {f"i{number}": f"Title {number}" for number in range(3)} | {"goal": "Goal"}
        )
        take_in_events(
            lake, folder, [(f"{user}{n}", user, f"i{n}", hours(n), 1.0) for user in USERS for n in (0, 1)]
        )
    if number == 1:
        moved = [("eve0", "eve", "i2", hours(0), 1.0), ("new", "ann", "i2", hours(2), 1.0)]
        take_in_events(lake, folder, moved, name="corrected")
    if number == 2:
        take_in_items(lake, folder, {"goal": "Goal, revised"}, name="revised")
        take_in_events(lake, folder, [("newer", "bob", "i2", hours(2), 1.0)], name="later")
    make_targets(lake, close_window(lake, open_run(lake)))
    run_id = finish_night(lake, folder).run_id
    return run_id, ask(lake, PROFILES.format(table="night.profiles", run_id=run_id))


def test_targets_that_nights_before_had_made_are_profiled_anew_where_their_item_changed(lake, tmp_path):
    nights = [night_with_made_targets(lake, tmp_path, number) for number in range(3)]
    who = [{row[:2] for row in made} for _, made in nights]
    everybody = {(user, item) for user in USERS for item in ("goal", "i0")}
    assert who[:2] == [everybody, {("ann", "goal"), ("ann", "i0")}]
    assert who[2] == {(user, "goal") for user in USERS if user != "eve"} | {("bob", "i0")}
    for run_id, expected in nights:
        run = read_window(lake, run_id)
        past = Lake(tmp_path / run_id)
        copy_known(lake, past, run, targets_recipe="t")
        make_targets(past, run)
        copy_made_targets(lake, past, run, targets_recipe="t", profile_recipe="p")
        render(past)
        embed(past, tmp_path)
        profile(past, run)
        assert ask(past, PROFILES.format(table="night.profiles", run_id=run_id)) == expected
        past.close()
