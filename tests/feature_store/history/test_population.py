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


def fill(lake, folder):
    take_in_items(lake, folder, {item: item for _, _, item, *_ in EVENTS})
    take_in_events(lake, folder, EVENTS)
    render(lake)


@pytest.fixture
def lake(filled):
    return filled


@pytest.fixture
def population(lake):
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


def test_events_of_one_text_are_added_up_before_they_count(population, lake, tmp_path):
    more = [
        ("f1", "ann", "rare", hours(3), 2.0),
        ("f2", "cid", "liked by two", hours(3), -9.0),
        ("f3", "bob", "liked by two", hours(3), -1.0),
    ]
    take_in_events(lake, tmp_path, more, name="more")
    likes = population(least_users=1)
    assert likes["rare"] == (1, 0.5)
    assert set(likes) == {"common", "rare"}
    assert likes["common"] == (3, 0.5 + 1.0 + 1.0)


def test_an_item_without_a_text_is_no_part_of_it(population, lake, tmp_path):
    events = [(f"g{place}", user, "nameless", hours(3), 1.0) for place, user in enumerate(("ann", "bob"))]
    take_in_events(lake, tmp_path, events, name="nameless")
    take_in_items(lake, tmp_path, {"nameless": "nameless"}, name="nameless items")
    assert population()["common"] == (3, 0.75 + 0.5 + 0.5)


def test_the_most_liked_texts_come_first_and_only_so_many_or_those_that_are_asked_for(lake):
    def read(**asked):
        return scan_population(lake, as_of=close(lake).window_end, least_users=1, **asked)

    texts = read()
    assert texts["text"].to_pylist() == ["common", "liked by two", "rare"]
    assert read(most=None).equals(texts)
    assert read(most=2).equals(texts.slice(0, 2))
    rare = texts.slice(2)
    assert read(texts=rare["reference_id"].to_pylist()).equals(rare)
    assert read(texts=[]).num_rows == 0
    some = scan_population(
        lake, as_of=close(lake).window_end, least_users=3, texts=texts["reference_id"].to_pylist()
    )
    assert some.equals(texts.slice(0, 1))
