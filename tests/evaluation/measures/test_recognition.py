"""Naming what is in pictures, against values worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.measures.recognition import accuracy, class_probabilities, class_prototypes, recall


def test_a_prototype_is_the_unit_mean_of_the_texts_of_its_class():
    texts = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    prototypes = class_prototypes(texts, np.array([0, 0, 1]), 2)
    assert prototypes == pytest.approx(np.array([[0.5**0.5, 0.5**0.5], [0.0, 1.0]]))


def test_a_class_without_texts_is_named():
    with pytest.raises(ValueError, match=r"no text names the classes \[1\]"):
        class_prototypes(np.ones((1, 2)), np.array([0]), 2)


def test_probabilities_are_the_softmax_of_scaled_cosines():
    probabilities = class_probabilities(np.array([[1.0, 0.0]]), np.eye(2), scale=np.log(3.0))
    assert probabilities == pytest.approx(np.array([[0.75, 0.25]]))


def test_a_scale_of_nothing_knows_nothing():
    images = np.random.default_rng(0).standard_normal((4, 3))
    assert class_probabilities(images, np.eye(3), scale=0.0) == pytest.approx(np.full((4, 3), 1 / 3))


def test_accuracy_counts_the_likeliest_classes():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]])
    assert accuracy(probabilities, np.array([0, 1, 1, 0])) == 0.75
    assert np.isnan(accuracy(probabilities[:0], np.array([], int)))


def test_recall_counts_present_classes_among_as_many_of_the_likeliest():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.6, 0.3, 0.1]])
    present = np.array([[True, False, True], [False, False, True], [True, True, False]])
    assert recall(probabilities, present) == pytest.approx(4 / 5)
    assert np.isnan(recall(probabilities[:0], present[:0]))


@given(seed=st.integers(0, 1000))
def test_recall_of_one_class_is_accuracy(seed):
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(4), 50)
    labels = np.arange(50) % 4
    assert recall(probabilities, np.eye(4, dtype=bool)[labels]) == accuracy(probabilities, labels)
