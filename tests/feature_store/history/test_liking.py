"""What somebody likes, and liked at a time: the sum of all that was done with a text until then."""

from datetime import UTC, datetime, timedelta

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from feature_store.history.liking import liked_spans, liked_texts

DAY = datetime(2024, 5, 1, tzinfo=UTC)
TEXTS = {"film": 1, "twin": 1, "other": 2, "untold": None}
"""Reference ids: two items share a text, one has none."""
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob", "cid"]),
        st.sampled_from(sorted(TEXTS)),
        st.integers(0, 7),
        st.sampled_from([-2.0, -1.0, 0.0, 1.0, 2.0]),
    ),
    max_size=14,
)


def ask(events, sql):
    """Rows of a query over events of (user, item, hour, weight)."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("CREATE TABLE items (item_id VARCHAR, reference_id BIGINT)")
        connection.executemany("INSERT INTO items VALUES (?, ?)", list(TEXTS.items()))
        connection.execute(
            "CREATE TABLE log (user_key VARCHAR, item_id VARCHAR, event_time TIMESTAMPTZ, weight DOUBLE)"
        )
        for user, item, hour, weight in events:
            row = [user, item, DAY + timedelta(hours=hour), weight]
            connection.execute("INSERT INTO log VALUES (?, ?, ?, ?)", row)
        return connection.execute(sql).fetchall()


def spans(events):
    """Rows of (text, since, until, item) with times in hours, None for an end that there is not."""
    hour = "(epoch({0}) - epoch(TIMESTAMPTZ '" + str(DAY) + "')) / 3600"
    since, until = hour.format("liked_since"), hour.format("liked_until")
    sql = f"SELECT reference_id, {since}, CASE WHEN isfinite(liked_until) THEN {until} END, item_id"
    return ask(events, f"{sql} FROM {liked_spans('log')} ORDER BY ALL")


def likers(events, text, before):
    """Users whose events before an hour add up to liking a text."""
    done = [(user, weight) for user, item, hour, weight in events if TEXTS[item] == text and hour < before]
    users = {user for user, _ in done}
    return {user for user in users if sum(weight for one, weight in done if one == user) > 0}


def test_a_dislike_ends_what_was_liked_and_a_new_liking_begins_it_again():
    events = [("ann", "film", 1, 1.0), ("ann", "film", 3, -2.0), ("ann", "twin", 5, 3.0)]
    assert spans(events) == [(1, 1, 3, "film"), (1, 5, None, "film")]


def test_who_takes_nothing_back_likes_for_good_and_others_add_nothing_to_it():
    events = [
        ("ann", "twin", 2, 1.0),
        ("bob", "film", 1, 1.0),
        ("bob", "film", 4, -1.0),
        ("cid", "film", 6, 1.0),
    ]
    assert spans(events) == [(1, 1, None, "film")]


def test_what_one_user_dislikes_another_may_like_meanwhile():
    events = [
        ("ann", "film", 1, 1.0),
        ("ann", "film", 4, -1.0),
        ("bob", "twin", 2, 1.0),
        ("bob", "twin", 6, -1.0),
    ]
    assert spans(events) == [(1, 1, 6, "film")]


def test_spans_that_meet_are_one_and_other_texts_cut_none():
    relay = [
        ("ann", "film", 1, 1.0),
        ("ann", "film", 3, -1.0),
        ("bob", "film", 3, 1.0),
        ("bob", "film", 6, -1.0),
    ]
    assert spans(relay) == [(1, 1, 6, "film")]
    overlap = [
        ("ann", "film", 1, 1.0),
        ("ann", "film", 5, -1.0),
        ("bob", "film", 3, 1.0),
        ("bob", "film", 6, -1.0),
    ]
    between = [("cid", "other", 2, 1.0), ("cid", "other", 7, -1.0)]
    assert spans(overlap + between) == [(1, 1, 6, "film"), (2, 2, 7, "other")]


def test_what_a_user_did_at_one_time_counts_together():
    assert spans([("ann", "film", 1, 2.0), ("ann", "film", 1, -2.0)]) == []
    assert spans([("ann", "film", 1, -1.0), ("ann", "film", 1, 2.0)]) == [(1, 1, None, "film")]


def test_the_item_that_stands_for_a_text_was_liked_not_only_met():
    events = [
        ("ann", "twin", 1, 0.0),
        ("ann", "film", 2, 1.0),
        ("bob", "twin", 0, -1.0),
        ("bob", "film", 1, 3.0),
    ]
    assert spans(events) == [(1, 1, None, "film")]


def test_the_item_that_stands_for_a_text_that_was_disliked_later_was_liked_too():
    events = [("ann", "twin", 0, 0.0), ("ann", "film", 1, 1.0), ("ann", "film", 2, -1.0)]
    assert spans(events) == [(1, 1, 2, "film")]


@given(events=EVENTS)
def test_a_text_is_liked_at_a_time_exactly_if_what_somebody_did_before_adds_up_to_it(events):
    rows = spans(events)
    for text in (1, 2):
        for time in range(9):
            holding = [
                row for row in rows if row[0] == text and row[1] < time and (row[2] is None or time <= row[2])
            ]
            assert len(holding) == bool(likers(events, text, time))
    assert all(text is not None for text, *_ in rows)


@given(events=EVENTS)
def test_each_user_likes_what_adds_up_to_it(events):
    found = ask(events, f"SELECT user_key, reference_id FROM {liked_texts('log')}")
    assert sorted(found) == sorted((user, text) for text in (1, 2) for user in likers(events, text, 99))
