import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import label_ranking_average_precision_score, top_k_accuracy_score

from evaluation.measures.identification import chance_hit, chance_reciprocal_rank, identify_users


def test_the_rank_of_the_owner_counts():
    scores = np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    found = identify_users(scores, np.array([0, 1, 2]))
    np.testing.assert_allclose(found.reciprocal_rank, [1, 1 / 2, 1 / 3])
    np.testing.assert_allclose(found.hit_at_1, [1, 0, 0])
    np.testing.assert_allclose(found.hit_at_10, [1, 1, 1])


def test_ties_are_worth_their_expectation():
    found = identify_users(np.array([[1.0, 1.0, 0.0, 2.0]]), np.array([0]))
    assert found.reciprocal_rank[0] == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert identify_users(np.array([[1.0, 1.0]]), np.array([0])).hit_at_1[0] == pytest.approx(1 / 2)


@given(num_pictures=st.integers(1, 6), num_users=st.integers(2, 25))
def test_equal_scores_are_worth_a_guess(num_pictures, num_users):
    found = identify_users(np.zeros((num_pictures, num_users)), np.zeros(num_pictures, int))
    np.testing.assert_allclose(found.reciprocal_rank, chance_reciprocal_rank(num_users))
    np.testing.assert_allclose(found.hit_at_1, chance_hit(num_users, 1))
    np.testing.assert_allclose(found.hit_at_10, chance_hit(num_users, 10))


@pytest.mark.whole
@given(st.integers(0, 2**31))
def test_a_second_library_agrees(seed):
    generator = np.random.default_rng(seed)
    scores, owners = generator.normal(size=(30, 15)), generator.integers(0, 15, 30)
    found = identify_users(scores, owners)
    truth = np.eye(15)[owners]
    assert found.reciprocal_rank.mean() == pytest.approx(label_ranking_average_precision_score(truth, scores))
    labels = np.arange(15)
    for hits, depth in ((found.hit_at_1, 1), (found.hit_at_10, 10)):
        assert hits.mean() == pytest.approx(top_k_accuracy_score(owners, scores, k=depth, labels=labels))
