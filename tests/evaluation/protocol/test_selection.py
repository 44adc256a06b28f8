import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evaluation.protocol.selection import (
    select_bm25,
    select_coreset,
    select_random,
    select_recent,
    select_similar,
)

TEXTS = ["red western film", "blue western film", "quiet romance", "red red horror", "space opera"]


def select_all_ways(history_size, num_references, seed=0):
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(history_size, 4))
    return {
        "random": select_random(history_size, num_references, np.random.default_rng(seed)),
        "recent": select_recent(
            generator.integers(0, 9, history_size).astype("datetime64[us]"), num_references
        ),
        "similar": select_similar(features[:, 0], num_references),
        "bm25": select_bm25("film 1", [f"film {place}" for place in range(history_size)], num_references),
        "coreset": select_coreset(features, num_references, np.random.default_rng(seed)),
    }


@given(history_size=st.integers(1, 30), num_references=st.integers(1, 35))
def test_every_way_selects_as_many_distinct_references_as_there_are_to_select(history_size, num_references):
    for way, places in select_all_ways(history_size, num_references).items():
        assert len(places) == min(history_size, num_references), way
        assert len(set(places.tolist())) == len(places), way
        assert set(places.tolist()) <= set(range(history_size)), way


def test_chance_depends_on_the_seed_alone():
    assert select_random(20, 5, np.random.default_rng(1)).tolist() == (
        select_random(20, 5, np.random.default_rng(1)).tolist()
    )
    assert len({tuple(select_random(20, 5, np.random.default_rng(seed))) for seed in range(5)}) == 5


def test_the_latest_come_first_and_equal_times_keep_their_order():
    times = np.array(["2001-01-01", "2003-01-01", "2002-01-01", "2003-01-01"], "datetime64[us]")
    assert select_recent(times, 3).tolist() == [1, 3, 2]


def test_equal_ones_keep_their_order_in_a_long_history_too():
    scores = np.tile([1.0, 2.0], 50)
    assert select_similar(scores, 60).tolist() == [*range(1, 100, 2), *range(0, 20, 2)]


def test_the_most_similar_come_first():
    assert select_similar(np.array([0.1, 0.9, -0.5, 0.4]), 2).tolist() == [1, 3]


def test_bm25_prefers_rare_common_words_and_their_repetition():
    assert select_bm25("a red poster", TEXTS, 2).tolist() == [3, 0]
    assert select_bm25("opera", TEXTS, 1).tolist() == [4]


def test_bm25_without_a_common_word_keeps_the_order_of_the_history():
    assert select_bm25("zebra", TEXTS, 3).tolist() == [0, 1, 2]
    assert select_bm25("!", TEXTS, 3).tolist() == [0, 1, 2]


def test_the_coreset_takes_the_farthest_then_the_farthest_from_what_is_taken():
    line = np.array([[0.0], [1.0], [2.0], [10.0]])
    # With four points all are in the first sample; 10 is farthest on average, then 0, then 2 (8 and 2 away).
    assert select_coreset(line, 3, np.random.default_rng(0)).tolist() == [3, 0, 2]


def test_the_coreset_goes_by_distances_on_a_plane():
    # The third is 6.4 from the first, the second 6.
    points = np.array([[0.0, 0.0], [6.0, 0.0], [4.0, 5.0]])
    assert select_coreset(points, 2, np.random.default_rng(0)).tolist() == [0, 2]


def test_the_coreset_covers_clusters_that_chance_would_miss():
    crowd = np.random.default_rng(0).normal(scale=0.01, size=(200, 2))
    loners = np.array([[5.0, 0.0], [0.0, 5.0], [-5.0, 0.0]])
    places = select_coreset(np.vstack([crowd, loners]), 4, np.random.default_rng(0))
    assert {200, 201, 202} <= set(places.tolist())
