"""A whole night for each way to decide which items a user gets pictures of."""

import re

import pytest

from flows.settings import Targets
from tests.flows.nights import NIGHT, ask, run, sample_ratings, write_settings

FEW = NIGHT.replace("max_users = 4", "max_users = 3").replace("steps = 2", "steps = 1")
LATEST = 'method = "latest"\nper_user = 1'
LISTS = """
[[sources]]
adapter = "recommendations"
path = "lists"
"""
DRAWN = "SELECT user_id, item_id FROM artworks WHERE status = 'generated' ORDER BY user_id, item_id"
TARGETS = "SELECT user_id, item_id, rank, source FROM targets ORDER BY user_id, rank"


def rated():
    """The films of each user, in the order of the ratings."""
    films = {}
    for user, film, *_ in sample_ratings():
        films.setdefault(str(user), []).append(str(film))
    return films


def test_the_recommender_is_the_default_and_wants_films_that_the_user_has_not_met(settings_file):
    assert Targets().method == "recommender"
    write_settings(settings_file.parent, FEW.replace(LATEST, "per_user = 2"))
    night = run(settings_file)
    assert night.status == "published"
    assert night.counts["publish"] == {"users": 3, "targets": 6}
    targets = ask(settings_file, TARGETS)
    assert [(user, rank) for user, _, rank, _ in targets] == [
        (user, rank) for user in "123" for rank in (1, 2)
    ]
    assert {source for *_, source in targets} == {"recommender"}
    assert not [(user, item) for user, item, *_ in targets if item in rated()[user]]
    assert ask(settings_file, DRAWN) == sorted((user, item) for user, item, *_ in targets)
    # Nothing is the target's own, so the whole history may speak for the user.
    assert ask(settings_file, "SELECT DISTINCT history_size FROM profiles") == [(12,)]


@pytest.mark.whole
def test_the_latest_liked_film_of_each_user_is_the_target(settings_file):
    write_settings(settings_file.parent, FEW)
    run(settings_file)
    latest = [(user, films[-1]) for user, films in rated().items() if user in "123"]
    assert ask(settings_file, DRAWN) == latest
    assert ask(settings_file, "SELECT DISTINCT source FROM targets") == [("latest",)]


def test_only_what_the_lists_give_is_drawn_and_a_new_list_takes_the_old_ones_place(settings_file):
    folder = settings_file.parent
    write_settings(folder, FEW.replace(LATEST, 'method = "given"').replace("[targets]", f"{LISTS}[targets]"))
    (folder / "lists").mkdir()
    lists = folder / "lists" / "tonight.csv"
    lists.write_text("user_id,item_id,rank\n1,7,1\n1,9,2\n2,8,1\n3,8,1\n")
    run(settings_file)
    assert ask(settings_file, DRAWN) == [("1", "7"), ("1", "9"), ("2", "8"), ("3", "8")]
    assert ask(settings_file, "SELECT DISTINCT source FROM targets") == [("recommendations",)]
    assert notes(settings_file) == []
    lists.write_text("user_id,item_id,rank\n1,11,1\n2,8,1\n")
    night = run(settings_file)
    assert ask(settings_file, DRAWN) == [("1", "11"), ("2", "8")]
    assert night.counts["generate"]["generated"] == 1


def notes(settings_file):
    return ask(settings_file, "SELECT message FROM notes WHERE severity = 'warning'")


@pytest.mark.whole
def test_users_of_a_list_whom_a_limit_leaves_out_are_counted_in_a_warning(settings_file):
    folder = settings_file.parent
    text = FEW.replace(LATEST, 'method = "given"').replace("[targets]", f"{LISTS}[targets]")
    write_settings(folder, re.sub(r"max_users = \d+", "max_users = 2", text))
    (folder / "lists").mkdir()
    lines = [f"{user},7,1" for user in range(1, 6)]
    (folder / "lists" / "tonight.csv").write_text("\n".join(["user_id,item_id,rank", *lines]) + "\n")
    night = run(settings_file)
    assert night.counts["publish"]["users"] == 2
    ((message,),) = notes(settings_file)
    assert message.startswith("3 users with targets are beyond max_users = 2 and get no pictures")
