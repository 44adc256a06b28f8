"""Measures of simulated drawings: vectors that follow a history, another one, or none."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from evaluation.measures.identification import chance_reciprocal_rank
from evaluation.measures.own_minus_other import measure_own_minus_other
from evaluation.measures.picture_measures import (
    MEASURES,
    P_VALUES,
    GroundTruth,
    mean_by_user,
    measure_p_values,
    measure_pictures,
)
from evaluation.statistics.comparison import estimate_mean

NUM_USERS, REFERENCES_EACH, WIDTH = 40, 6, 24


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def tastes():
    return unit(np.random.default_rng(0).normal(size=(NUM_USERS, WIDTH)))


@pytest.fixture(scope="module")
def truth(tastes):
    """Two targets per user, unlike the tastes, and held-out references around each taste."""
    generator = np.random.default_rng(1)
    users = np.repeat(np.arange(NUM_USERS), REFERENCES_EACH)
    references = unit(tastes[users] + 0.2 * generator.normal(size=(len(users), WIDTH)))
    targets = unit(generator.normal(size=(2 * NUM_USERS, WIDTH)))
    return GroundTruth(
        owners=np.repeat(np.arange(NUM_USERS), 2),
        targets=targets,
        target_features=targets,
        references=references,
        reference_features=references,
        weights=generator.uniform(0.5, 5.0, len(users)),
        users=users,
    )


def draw(truth, tastes, strength, owners=None):
    """Pictures of the targets that lean to a taste by so much; noise is the same for all strengths."""
    owners = truth.owners if owners is None else owners
    noise = 0.1 * np.random.default_rng(2).normal(size=truth.targets.shape)
    return unit(truth.targets + strength * tastes[owners] + noise)


def judge(truth, images, plain):
    values = measure_pictures(truth, images=images, plain_images=plain, text_features=images)
    p_values = measure_p_values(truth, images=images, plain_images=plain)
    return {name: mean_by_user(value, truth.owners, NUM_USERS) for name, value in values.items()}, p_values


@pytest.fixture(scope="module")
def plain(truth, tastes):
    return draw(truth, tastes, 0.0)


def test_every_measure_is_described_and_every_description_measured(truth, plain):
    values, p_values = judge(truth, plain, plain)
    assert set(values) == set(MEASURES)
    assert set(p_values) == set(P_VALUES)
    described = [*MEASURES.values(), *P_VALUES.values()]
    assert {measure.scale for measure in described} == {
        "100 * cosine", "100 * cosine, at least 0", "share of pictures", "1 / rank", "1 - cosine",
        "squared MMD, kernel (cosine + 1)^3", "p-value",
    }  # fmt: skip
    assert all(measure.meaning.endswith(".") for measure in described)
    not_judged = {name for name, measure in MEASURES.items() if not measure.by_judge}
    assert not_judged == {"text_alignment_target", "text_alignment_history"}


def test_what_a_number_is_measured_in_is_what_it_can_be(truth, tastes, plain):
    clamped = [name for name, measure in MEASURES.items() if measure.scale.endswith("at least 0")]
    shares = [name for name, measure in MEASURES.items() if measure.scale == "share of pictures"]
    values = measure_pictures(
        truth, images=-draw(truth, tastes, 0.6), plain_images=plain, text_features=plain
    )
    assert {name: values[name].min() for name in clamped} == pytest.approx(dict.fromkeys(clamped, 0.0))
    assert clamped == ["clip_target", "clip_history"]
    assert shares == ["hit_at_1", "hit_at_10"]
    assert values["history_cosine"].min() < 0


def test_pictures_that_follow_the_history_are_found_to(truth, tastes, plain):
    values, p_values = judge(truth, draw(truth, tastes, 0.6), plain)
    before, _ = judge(truth, plain, plain)
    assert estimate_mean(values["own_minus_other"] - before["own_minus_other"]).low > 0
    assert p_values["own_minus_other_added_p"] < 0.001
    assert values["reciprocal_rank"].mean() > 0.5
    assert values["clip_history"].mean() > before["clip_history"].mean()
    assert values["clip_target"].mean() < before["clip_target"].mean()
    assert values["kernel_distance"].mean() > 0
    assert values["text_alignment_history"].mean() > before["text_alignment_history"].mean()


@pytest.mark.parametrize("shift", [1, 7, 19])
def test_another_user_s_history_comes_out_at_chance(truth, tastes, plain, shift):
    """However strongly the pictures follow a history, it is not their user's."""
    shuffled = draw(truth, tastes, 0.6, owners=(truth.owners + shift) % NUM_USERS)
    values, p_values = judge(truth, shuffled, plain)
    guess = np.mean(1 / np.arange(1, NUM_USERS + 1))
    assert p_values["own_minus_other_p"] > 0.05
    assert p_values["own_minus_other_added_p"] > 0.05
    assert values["reciprocal_rank"].mean() == pytest.approx(guess, abs=0.06)
    assert values["hit_at_1"].mean() <= 0.1
    assert abs(values["own_minus_other"].mean()) < 5


@pytest.mark.whole
def test_p_values_of_random_owners_are_spread_evenly(truth, tastes, plain):
    generator = np.random.default_rng(3)
    p_values = [
        measure_p_values(
            truth,
            images=draw(truth, tastes, 0.6, owners=generator.permutation(NUM_USERS)[truth.owners]),
            plain_images=plain,
            seed=seed,
        )["own_minus_other_added_p"]
        for seed in range(12)
    ]
    assert 0.25 < np.mean(p_values) < 0.75


def test_one_picture_for_all_cannot_win(truth, tastes, plain):
    """Not even the very picture that all histories together like best."""
    best = unit(truth.histories.mean(axis=0))
    constant = np.repeat(best[None], len(plain), axis=0)
    values, p_values = judge(truth, constant, plain)
    before, _ = judge(truth, plain, plain)
    assert values["clip_history"].mean() > before["clip_history"].mean()  # this measure alone would be fooled
    assert values["own_minus_other"].mean() == pytest.approx(0, abs=1e-9)
    assert values["reciprocal_rank"].mean() == pytest.approx(np.mean(1 / np.arange(1, NUM_USERS + 1)))
    assert values["diversity_between"].max() == pytest.approx(0, abs=1e-9)
    assert p_values["own_minus_other_p"] > 0.4
    assert p_values["own_minus_other_added_p"] > 0.05
    assert not estimate_mean(values["own_minus_other"] - before["own_minus_other"]).low > 0


def test_the_plain_pictures_add_nothing_to_themselves(truth, plain):
    values, p_values = judge(truth, plain, plain)
    assert p_values["own_minus_other_added_p"] == 1
    np.testing.assert_allclose(values["kernel_distance"], 0, atol=1e-12)


def test_a_second_library_agrees_on_every_cosine(truth, tastes, plain):
    images = draw(truth, tastes, 0.4)
    values = measure_pictures(truth, images=images, plain_images=plain, text_features=2 * images)
    cosines = 100 * cosine_similarity(images, truth.references)
    for picture in (0, 11, 50):
        owner = truth.owners[picture]
        own = truth.users == owner
        weights = truth.weights[own]
        assert values["history_cosine"][picture] == pytest.approx(
            np.average(cosines[picture, own], weights=weights)
        )
        assert values["clip_history"][picture] == pytest.approx(
            np.average(np.maximum(cosines[picture, own], 0), weights=weights)
        )
        means = [
            np.average(cosines[picture, truth.users == user], weights=truth.weights[truth.users == user])
            for user in range(NUM_USERS)
        ]
        others = np.delete(means, owner).mean()
        assert values["own_minus_other"][picture] == pytest.approx(means[owner] - others)
        assert values["text_alignment_history"][picture] == pytest.approx(means[owner])
    targets = 100 * np.diag(cosine_similarity(images, truth.targets))
    np.testing.assert_allclose(values["clip_target"], np.maximum(targets, 0))
    np.testing.assert_allclose(values["text_alignment_target"], targets)


def test_what_sets_histories_apart_is_worked_out_from_each_user_s_own_mean(truth, tastes, plain):
    """Written out user by user: what a history is beyond the mean of all, what pictures changed beyond it."""
    images = draw(truth, tastes, 0.3)[: 2 * NUM_USERS - 1]  # the last user has one picture
    short = replace(truth, owners=truth.owners[:-1], targets=truth.targets[:-1], target_features=images)
    plain = plain[:-1]
    values = measure_pictures(short, images=images, plain_images=plain, text_features=images)
    means = [
        np.average(truth.references[truth.users == user], axis=0, weights=truth.weights[truth.users == user])
        for user in range(NUM_USERS)
    ]
    apart = [unit(mean - np.mean(means, axis=0)) for mean in means]
    changes = images - plain
    for picture in (0, 11, 2 * NUM_USERS - 2):
        owner = short.owners[picture]
        scores = np.array([100 * images[picture] @ some for some in apart])
        beyond = scores[owner] - np.delete(scores, owner).mean()
        assert values["own_minus_other_centred"][picture] == pytest.approx(beyond)
        change = changes[short.owners == owner].mean(axis=0) - changes.mean(axis=0)
        rank = 1 + sum(change @ some > change @ apart[owner] for some in apart)
        assert values["change_reciprocal_rank"][picture] == pytest.approx(1 / rank)


def test_p_values_come_from_the_seed(truth, tastes, plain):
    images = draw(truth, tastes, 0.03)
    scores = truth.score_histories(images)
    for seed in (0, 1):
        found = measure_p_values(truth, images=images, plain_images=plain, seed=seed)
        again = measure_own_minus_other(scores, truth.owners, seed=seed)
        assert found["own_minus_other_p"] == again.p_value
    assert measure_p_values(truth, images=images, plain_images=plain) == measure_p_values(
        truth, images=images, plain_images=plain, seed=0
    )


def test_by_hand():
    east, north = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    truth = GroundTruth(
        owners=np.array([0, 1]),
        targets=np.array([east, east]),
        target_features=np.array([east, north]),
        references=np.array([east, -east, north]),
        reference_features=np.array([east, north, north]),
        weights=np.array([3.0, 1.0, 2.0]),
        users=np.array([0, 0, 1]),
    )
    images = np.array([east, north])
    values = measure_pictures(truth, images=images, plain_images=images, text_features=np.array([east, east]))
    np.testing.assert_allclose(values["clip_target"], [100, 0])
    np.testing.assert_allclose(values["history_cosine"], [50, 100])  # (3 - 1) / 4
    np.testing.assert_allclose(values["clip_history"], [75, 100])  # 3 / 4: the floor hides the dislike
    np.testing.assert_allclose(values["own_minus_other"], [50, 100])
    np.testing.assert_allclose(values["text_alignment_target"], [100, 0])
    np.testing.assert_allclose(values["text_alignment_history"], [75, 0])
    away = measure_pictures(truth, images=images, plain_images=images, text_features=np.array([-east, east]))
    np.testing.assert_allclose(away["text_alignment_target"], [-100, 0])  # without a floor


def test_a_change_is_pooled_by_hand():
    east, north = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    truth = GroundTruth(
        owners=np.array([0, 0, 1]),
        targets=np.array([east] * 3),
        target_features=np.array([east] * 3),
        references=np.array([3 * east, north, north, east]),
        reference_features=np.array([3 * east, north, north, east]),
        weights=np.ones(4),
        users=np.array([0, 0, 1, 2]),
    )
    np.testing.assert_allclose(truth.histories, [[0.5, 0.5], north, east])  # by directions, not by lengths
    np.testing.assert_allclose(truth.history_features, truth.histories)
    pooled = truth.pool_changes(np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 3.0]]))  # on average (4/3, 1)
    np.testing.assert_allclose(pooled, [[2 / 3, -1], [2 / 3, -1], [-4 / 3, 2]])


def test_users_are_means_of_their_pictures_with_a_value():
    values = mean_by_user(np.array([1.0, 3.0, np.nan, 5.0]), np.array([0, 0, 1, 2]), 4)
    np.testing.assert_allclose(values, [2, np.nan, 5, np.nan])


def test_an_owner_is_found_by_what_changed_and_nobody_where_nothing_did(truth, tastes, plain):
    personal, _ = judge(truth, draw(truth, tastes, 0.3), plain)
    unchanged, _ = judge(truth, plain, plain)
    chance = chance_reciprocal_rank(NUM_USERS)
    assert personal["change_reciprocal_rank"].mean() > 5 * chance
    assert unchanged["change_reciprocal_rank"] == pytest.approx(chance)


def test_a_change_that_all_pictures_share_tells_of_nobody(truth, tastes, plain):
    shared = plain + 0.5 * tastes.mean(axis=0)
    values, _ = judge(truth, shared, plain)
    assert values["change_reciprocal_rank"].mean() < 2 * chance_reciprocal_rank(NUM_USERS)


def test_what_everybody_likes_is_no_preference_once_it_is_centred(truth, tastes, plain):
    before, _ = judge(truth, plain, plain)
    liked_by_all, _ = judge(truth, unit(plain + tastes.mean(axis=0)), plain)
    own, _ = judge(truth, draw(truth, tastes, 0.6), plain)
    gain = own["own_minus_other_centred"].mean() - before["own_minus_other_centred"].mean()
    nothing = liked_by_all["own_minus_other_centred"].mean() - before["own_minus_other_centred"].mean()
    assert gain > 10
    assert abs(nothing) < gain / 10
