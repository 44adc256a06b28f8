"""What an evaluation reads of the lake: users, their histories, and how each variant draws."""

import numpy as np
import pytest

from evaluation.protocol.plan import plan_variant
from evaluation.protocol.study import TooFewUsersError
from feature_store.history.opt_outs import opt_out
from feature_store.tables.runs import Run
from feature_store.tables.users import find_key
from flows.commands.evaluate import open_study, take_in_data
from flows.commands.evaluation_choice import make_variants
from flows.settings import read_settings
from flows.workspace import open_lake
from tests.flows.nights import NIGHT, sample_ratings, write_movielens, write_settings

pytestmark = pytest.mark.whole

SMALL = """
[evaluation]
max_users = 4
min_history = 5
"""


@pytest.fixture
def settings_file(settings_file):
    return write_settings(settings_file.parent, NIGHT + SMALL)


def study_of(settings_file):
    settings = read_settings(settings_file)
    return open_study(settings, take_in_data(settings))


def test_history_is_strictly_before_the_targets_and_held_out_references_are_never_offered(settings_file):
    study = study_of(settings_file)
    lake = open_lake(read_settings(settings_file), read_only=True)
    assert len(study.targets) == 2 * len(study.users) == 8
    for place, user in enumerate(study.users):
        drawn = [target for target in study.targets if target.owner == place]
        items = ", ".join(f"'{target.item_id}'" for target in drawn)
        (earliest,) = lake.query(
            "SELECT min(event_time) AS time FROM interactions "
            f"WHERE user_key = {user.user_key} AND item_id IN ({items})"
        )["time"].to_pylist()
        times = np.concatenate([user.offered.event_times, user.held_out.event_times])
        assert (times < np.datetime64(earliest.replace(tzinfo=None))).all()
        assert len(times) == 10
        assert not set(user.offered.texts) & set(user.held_out.texts)
        assert not {target.text for target in drawn} & set(user.offered.texts + user.held_out.texts)
        assert len(user.held_out) == 5


def test_what_reads_like_a_target_is_no_part_of_the_history(settings_file):
    """Another edition of the film that is drawn, met before, would give the target away."""
    logs = settings_file.parent / "logs"
    write_movielens(logs, [*sample_ratings(), (1, 998, 5.0, 900_000_000), (1, 999, 5.0, 1_300_000_000)])
    with (logs / "movies.csv").open("a") as stream:
        stream.write("998,Twins (1999),Drama\n999,Twins (1999),Drama\n")
    study = study_of(settings_file)
    (target,) = (one for one in study.targets if one.item_id == "999")
    user = study.users[target.owner]
    assert target.text.startswith("Twins")
    assert not [text for text in user.offered.texts + user.held_out.texts if text.startswith("Twins")]


def test_every_variant_draws_the_same_targets_with_the_same_seeds(settings_file):
    study, variants = study_of(settings_file), make_variants(read_settings(settings_file))
    plans = [plan_variant(study, variant) for variant in variants]
    assert len({tuple(request.seed for request in one.requests) for one in plans}) == 1
    offered = [set(study.users[target.owner].offered.texts) for target in study.targets]
    by_name = dict(zip((variant.name for variant in variants), plans, strict=True))
    for name in ("full", "bm25"):
        for request, own in zip(by_name[name].requests, offered, strict=True):
            assert set(request.references) <= own
            assert len(request.references) == 1
    others = by_name["history of another user"].requests
    next_offered = [study.users[(target.owner + 1) % 4].offered.texts for target in study.targets]
    assert all(set(one.references) <= set(theirs) for one, theirs in zip(others, next_offered, strict=True))
    concatenated = by_name["concatenated prompt"].requests
    full = by_name["full"].requests
    assert [one.prompt for one in concatenated] == [f"{one.prompt}, {one.references[0]}" for one in full]


def test_samples_share_no_user(settings_file):
    text = (NIGHT + SMALL).replace("max_users = 4\nmin", "max_users = 2\nmin")
    samples = []
    for sample in (0, 1):
        file = write_settings(settings_file.parent, text + f"sample = {sample}\n")
        samples.append({user.user_key for user in study_of(file).users})
    assert [len(sample) for sample in samples] == [2, 2]
    assert not samples[0] & samples[1]


def test_who_opted_out_is_not_drawn_for(settings_file):
    before = {user.user_key for user in study_of(settings_file).users}
    lake = open_lake(read_settings(settings_file))
    opt_out(lake, "2")
    assert find_key(lake, "2") in before
    assert {user.user_key for user in study_of(settings_file).users} & before == before - {
        find_key(lake, "2")
    }


def test_too_few_users_with_a_history_are_an_error(settings_file):
    write_settings(settings_file.parent, NIGHT + SMALL.replace("= 5", "= 11"))
    with pytest.raises(TooFewUsersError, match=r"0 users with 11 references .* lower evaluation.min_history"):
        study_of(settings_file)


def test_what_is_ingested_after_the_run_began_does_not_count(settings_file):
    settings = read_settings(settings_file)
    run = take_in_data(settings)
    before = Run(run_id="early", window_start=None, window_end=run.window_end.replace(year=2000))
    with pytest.raises(TooFewUsersError, match="has 0 users"):
        open_study(settings, before)


def test_events_of_negative_weight_are_evidence_of_dislike_and_of_nothing_else(settings_file):
    ratings = [
        (user, film, -rating if place % 12 < 2 else rating, time)
        for place, (user, film, rating, time) in enumerate(sample_ratings())
    ]
    write_movielens(settings_file.parent / "logs", ratings)
    study = study_of(settings_file)
    lake = open_lake(read_settings(settings_file), read_only=True)
    for user in study.users:
        expected = lake.query(
            "SELECT reference_text FROM interactions JOIN items USING (item_id) "
            f"WHERE user_key = {user.user_key} AND weight < 0 ORDER BY weight, reference_text"
        )["reference_text"].to_pylist()
        assert list(user.disliked) == expected
        assert len(expected) == 2
        assert not set(expected) & {*user.offered.texts, *user.held_out.texts}
