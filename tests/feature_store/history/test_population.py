"""What everybody likes: each user counts alike, and what few like tells of nobody."""

import pytest

from feature_store.history.opt_outs import opt_out
from feature_store.history.population import scan_population
from tests.feature_store.logs import close, hours, render, take_in_events, take_in_items

EVENTS = [
    ("e1", "ann", "common", hours(1), 3.0),
    ("e2", "ann", "rare", hours(2), 1.0),
    ("e3", "bob", "common", hours(1), 1.0),
    ("e4", "cid", "common", hours(1), 5.0),
    ("e5", "cid", "liked by two", hours(2), 5.0),
    ("e6", "bob", "liked by two", hours(2), 1.0),
    ("e7", "bob", "disliked", hours(2), -1.0),
    ("e8", "ann", "disliked", hours(2), -1.0),
]


@pytest.fixture
def population(lake, tmp_path):
    take_in_items(lake, tmp_path, {item: item for _, _, item, *_ in EVENTS})
    take_in_events(lake, tmp_path, EVENTS)
    render(lake)

    def read(*, least_users=2, as_of=None):
        rows = scan_population(lake, as_of=as_of or close(lake).window_end, least_users=least_users)
        return {row["text"]: (row["num_users"], row["weight"]) for row in rows.to_pylist()}

    return read


def test_every_user_counts_alike_however_strong_the_weights(population):
    assert population() == {"common": (3, 0.75 + 0.5 + 0.5), "liked by two": (2, 1.0)}


def test_a_text_that_fewer_users_like_is_left_out(population):
    assert set(population(least_users=1)) == {"common", "liked by two", "rare"}
    assert set(population(least_users=3)) == {"common"}


def test_an_opt_out_counts_at_once(population, lake):
    opt_out(lake, "cid")
    assert population() == {"common": (2, 0.75 + 0.5)}


def test_only_what_was_known_and_had_happened_before_a_time_counts(population, lake, tmp_path):
    before = close(lake).window_end
    take_in_events(lake, tmp_path, [("e9", "dan", "common", hours(1), 1.0)], name="late")
    assert population(as_of=before)["common"][0] == 3
    assert population()["common"][0] == 4
