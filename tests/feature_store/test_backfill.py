"""A past window holds what was known at its end, and makes the profiles that its own night made."""

from feature_store.backfill import copy_given_targets, copy_known, read_window
from feature_store.lake import Lake
from tests.feature_store.logs import ask, hours, render, take_in_events, take_in_items, take_in_targets
from tests.feature_store.nights import embed, finish_night, profile

PROFILES = "SELECT * EXCLUDE snapshot_id FROM {table} WHERE run_id = '{run_id}' ORDER BY ALL"
USERS = ("ann", "bob", "cid", "dan", "eve")


def night(lake, folder, number):
    """One of three nights; return its id and the profiles that it made."""
    if number == 0:
        titles = {f"i{number}": f"Title {number}" for number in range(6)}
        take_in_items(lake, folder, titles | {"goal": "Goal", "aim": "Aim"})
        events = [(f"{user}{n}", user, f"i{n}", hours(n), 1.0 + n) for user in USERS for n in range(3)]
        take_in_events(lake, folder, events)
        take_in_targets(lake, folder, [(user, "goal", 1) for user in USERS])
    if number == 1:
        late, moved = ("late", "ann", "i5", hours(0), 3.0), ("bob1", "cid", "i1", hours(1), 2.0)
        take_in_events(lake, folder, [late, moved], name="late and corrected")
        take_in_targets(lake, folder, [("eve", "goal", 1), ("eve", "aim", 2)], name="new list")
    if number == 2:
        take_in_items(lake, folder, {"i2": "Title 2, revised"}, name="revised")
        take_in_events(lake, folder, [("ann0", "ann", "i0", hours(0), 9.0)], name="again")
        take_in_targets(lake, folder, [("dan", "aim", 1)], name="newer list")
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
