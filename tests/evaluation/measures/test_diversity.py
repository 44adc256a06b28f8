import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from evaluation.measures.diversity import measure_diversity


def unit(seed, size):
    vectors = np.random.default_rng(seed).normal(size=size)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_distances_are_those_to_the_other_pictures_of_the_user_and_to_others():
    images = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    diversity = measure_diversity(images, np.array([0, 0, 1]))
    np.testing.assert_allclose(diversity.within, [1, 1, np.nan])
    np.testing.assert_allclose(diversity.between, [2, 1, 1.5])


def test_a_second_library_agrees():
    images, owners = unit(0, (12, 5)), np.repeat([0, 1], 6)
    diversity = measure_diversity(images, owners)
    assert diversity.within[:6].mean() == pytest.approx(pdist(images[:6], "cosine").mean())
    assert diversity.between.mean() == pytest.approx(cdist(images[:6], images[6:], "cosine").mean())


def test_one_picture_for_all_has_no_diversity():
    diversity = measure_diversity(np.repeat(unit(1, (1, 8)), 4, axis=0), np.array([0, 0, 1, 1]))
    np.testing.assert_allclose([diversity.within, diversity.between], 0, atol=1e-12)
