"""The sample that all variants share, made of tables."""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.protocol.design import StudyDesign, StudyOrigin
from evaluation.protocol.study import TooFewUsersError, build_study, random_numbers
from fan_model.bundled import PIPELINE_FOLDER
from fan_model.drawing.artist import Artist
from fan_model.drawing.requests import DrawingOptions

ORIGIN = StudyOrigin(run_id="r", data_set="films", model_version="1", recipe_digest="d", snapshot_id=1)


@pytest.fixture(scope="module")
def artist():
    return Artist.load(PIPELINE_FOLDER)


def design(**values):
    given = {"min_history": 2, "max_history": 100, "held_out": 0.5} | values
    return StudyDesign(
        options=DrawingOptions(num_references=None),
        seed=0,
        sample=0,
        targets_per_user=1,
        judge="bundled",
        confidence=0.95,
        sheet_users=2,
        **given,
    )


KEYS = {"a": 41, "b": 7, "c": 99, "d": 23, "0": 60}
"""Random numbers: their order is not that of the ids."""


def histories(sizes):
    """A history of as many texts as each user has, latest first."""
    rows = [
        {
            "user_key": KEYS[user],
            "lot": ord(user),
            "text": f"{user} liked {number}",
            "weight": 1.0 + number,
            "last_event_time": datetime(2020, 1, 1) - timedelta(days=number),
        }
        for user, size in sorted(sizes.items())
        for number in range(size)
    ]
    return pa.Table.from_pylist(rows)


def targets(*users):
    return pa.Table.from_pylist(
        [
            {"user_key": KEYS[user], "item_id": f"of {user}", "target_text": f"{user}'s film", "seed": 7}
            for user in users
        ]
    )


@pytest.fixture(scope="module")
def build(artist):
    """Build the study of users with histories of so many texts, and one target each."""

    def build(sizes, **values):
        return build_study(
            design(**values), ORIGIN, artist, histories=histories(sizes), targets=targets(*reversed(sizes))
        )

    return build


def test_users_come_in_the_order_of_their_ids_and_own_their_targets(build):
    study = build({"b": 4, "c": 1, "a": 3, "d": 2})
    assert [user.user_key for user in study.users] == [KEYS[user] for user in "abd"]
    owners = {study.users[target.owner].user_key: target for target in study.targets}
    assert {user: target.item_id for user, target in owners.items()} == {
        KEYS["a"]: "of a",
        KEYS["b"]: "of b",
        KEYS["d"]: "of d",
    }


@given(size=st.integers(2, 30), held_out=st.floats(0.01, 0.99))
@settings(max_examples=50)
def test_a_history_is_offered_or_held_out_in_its_own_order_and_nothing_of_it_is_both(build, size, held_out):
    for user in build({"a": size, "b": 2}, held_out=held_out).users:
        assert len(user.offered)
        assert len(user.held_out)
        both = [*user.offered.texts, *user.held_out.texts]
        assert len(both) == len(set(both)) == (size if user.user_key == KEYS["a"] else 2)
        for part in (user.offered, user.held_out):
            assert (np.diff(part.event_times) < np.timedelta64(0)).all()
            assert [1.0 + int(text.rpartition(" ")[2]) for text in part.texts] == part.weights.tolist()


def test_only_the_latest_references_are_looked_at(build):
    study = build({"a": 9, "b": 9}, max_history=4)
    for name, user in zip("ab", study.users, strict=True):
        texts = {*user.offered.texts, *user.held_out.texts}
        assert texts == {f"{name} liked {number}" for number in range(4)}


def test_who_is_held_out_does_not_depend_on_the_other_users(build):
    alone, together = build({"a": 9, "b": 9}), build({"a": 9, "b": 9, "0": 5})
    assert alone.users[0].held_out.texts == together.users[1].held_out.texts


def test_fewer_than_two_users_are_an_error(build):
    with pytest.raises(TooFewUsersError, match="has 1 users with 3 references .* lower evaluation"):
        build({"a": 3, "b": 2}, min_history=3)


def test_what_the_model_takes_from_nobody_is_left_out(artist):
    too_long = "long " * 1000
    liked, wanted = histories({"a": 3, "b": 4}).to_pylist(), targets("a", "b").to_pylist()
    liked[0]["text"] = wanted[1]["target_text"] = too_long
    study = build_study(
        design(),
        ORIGIN,
        artist,
        histories=pa.Table.from_pylist(liked),
        targets=pa.Table.from_pylist(wanted),
    )
    assert [len(user.offered) + len(user.held_out) for user in study.users] == [2, 4]
    assert [target.item_id for target in study.targets] == ["of a"]


def test_a_texts_vectors_are_those_of_the_model(build, artist):
    study = build({"a": 2, "b": 2})
    texts = ["b liked 1", "a's film", "b liked 1"]
    found = study.vectors_of(texts)
    expected = artist.encode_texts(texts)
    np.testing.assert_allclose(found.unit_mean_tokens, expected.unit_mean_tokens, atol=1e-5)
    np.testing.assert_allclose(found.mean_unit_tokens, expected.mean_unit_tokens, atol=1e-5)


def test_random_numbers_depend_on_the_seed_and_every_name():
    draws = {random_numbers(*of).integers(2**60) for of in ((0, "a"), (1, "a"), (0, "b"), (0, "a", "b"))}
    assert len(draws) == 4
    assert random_numbers(0, "a").integers(2**60) in draws
