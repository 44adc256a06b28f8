import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.measures.clip_score import clip_score, history_score

EAST, NORTH, NORTH_EAST, WEST = (np.array(v, float) for v in ([1, 0], [0, 1], [1, 1], [-1, 0]))


@pytest.mark.parametrize(
    ("image", "text", "score"),
    [(EAST, EAST, 100), (EAST, NORTH, 0), (EAST, NORTH_EAST, 70.710678), (EAST, WEST, 0)],
)
def test_the_score_is_a_hundredfold_cosine_and_never_below_zero(image, text, score):
    assert clip_score(image, text) == pytest.approx(score, abs=1e-6)


def test_the_floor_may_be_lowered_to_keep_the_cosine():
    assert clip_score(EAST, WEST, lowest=-100) == pytest.approx(-100)


@given(image_length=st.floats(1e-3, 1e3), text_length=st.floats(1e-3, 1e3))
def test_lengths_of_vectors_do_not_matter(image_length, text_length):
    score = clip_score(image_length * EAST, text_length * NORTH_EAST)
    assert score == pytest.approx(clip_score(EAST, NORTH_EAST))


@pytest.mark.parametrize("wrong", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_a_vector_without_a_direction_is_an_error(wrong):
    with pytest.raises(ValueError, match="1 of the 3 vectors in images are zero or not finite"):
        clip_score(np.array([EAST, wrong, NORTH]), np.array([EAST, EAST, EAST]))


def measure(**changes):
    """Three artworks, of the first of which all references are."""
    arguments = {
        "images": np.array([EAST, NORTH_EAST, NORTH]),
        "references": np.array([EAST, EAST, NORTH]),
        "weights": np.array([2.0, 3.0, 0.25]),
        "artwork_of_reference": np.array([0, 0, 0]),
    }
    return history_score(**(arguments | changes))


def test_the_history_score_is_the_mean_over_the_references_by_weight():
    np.testing.assert_allclose(measure(), [100 * 5 / 5.25, np.nan, np.nan], atol=1e-6)
    scores = measure(artwork_of_reference=np.array([0, 1, 2]), references=np.array([WEST, EAST, NORTH]))
    np.testing.assert_allclose(scores, [0, 70.710678, 100], atol=1e-6)


def test_artworks_without_any_reference_have_no_history_score():
    scores = measure(
        references=np.empty((0, 2)), weights=np.empty(0), artwork_of_reference=np.empty(0, np.int64)
    )
    assert np.isnan(scores).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": np.array([1.0])}, "3 references, 1 weights and 3 indices"),
        ({"weights": np.array([1.0, 0.0, 1.0])}, "weights must be above 0"),
        ({"artwork_of_reference": np.array([0, 3, 0])}, "must lie in 0 to 2"),
    ],
)
def test_references_that_do_not_fit_are_errors(changes, message):
    with pytest.raises(ValueError, match=message):
        measure(**changes)
