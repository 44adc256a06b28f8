"""Which column is what."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_adapters.guesses.column_roles import (
    NAMES,
    SeenColumn,
    are_names,
    guess_roles,
    guess_time_format,
    own_id,
)


def columns(*names, sql_type="VARCHAR"):
    return [SeenColumn(name=name, sql_type=sql_type, values=()) for name in names]


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        (
            ["userId", "movieId", "rating", "timestamp"],
            {"user_id": "userId", "item_id": "movieId", "weight": "rating", "event_time": "timestamp"},
        ),
        (
            ["timestamp", "visitorid", "event", "itemid", "transactionid"],
            {"user_id": "visitorid", "item_id": "itemid", "kind": "event", "event_time": "timestamp"},
        ),
        (
            ["t_dat", "customer_id", "article_id", "price"],
            {"user_id": "customer_id", "item_id": "article_id", "event_time": "t_dat"},
        ),
        (["User-ID", "ISBN", "Book-Rating"], {"user_id": "User-ID", "item_id": "ISBN"}),
        (
            ["id", "name", "image_url", "brand"],
            {"item_id": "id", "title": "name", "stock_image_uri": "image_url"},
        ),
        (["user_id", "item_id", "rank"], {"user_id": "user_id", "item_id": "item_id", "rank": "rank"}),
        (["lorem", "ipsum"], {}),
    ],
)
def test_names_that_this_field_uses_are_known(names, roles):
    assert guess_roles(columns(*names)) == roles


def test_an_id_of_its_own_wins_over_a_column_that_is_merely_called_id():
    assert guess_roles(columns("id", "product_id"))["item_id"] == "product_id"


@pytest.mark.parametrize("user", ["user_id", "username", "Customer ID"])
@pytest.mark.parametrize("own", ["id", "Id", "_id"])
def test_an_id_beside_a_user_is_the_rows_own(user, own):
    seen = columns(own, user, "created_at")
    assert guess_roles(seen) == {"user_id": user, "event_time": "created_at"}
    assert own_id(seen, guess_roles(seen)) == own


def test_an_id_without_a_user_is_the_items():
    seen = columns("id", "title")
    assert guess_roles(seen)["item_id"] == "id"
    assert own_id(seen, guess_roles(seen)) is None


@pytest.mark.parametrize(
    ("values", "is_header"),
    [
        (["item_id", "title", "Farbe"], True),
        (["Customer", "SKU"], True),
        (["item", "Lampe", "rot"], False),
        (["title", "image"], False),
        ([], False),
    ],
)
def test_a_first_line_is_a_header_where_it_names_users_or_items_and_something_else(values, is_header):
    assert are_names(values) == is_header


def test_a_column_of_times_is_one_whatever_it_is_called():
    seen = [*columns("user", "item"), *columns("wann", sql_type="TIMESTAMP")]
    assert guess_roles(seen)["event_time"] == "wann"


@given(st.lists(st.sampled_from(sorted(name for names in NAMES.values() for name in names)), unique=True))
def test_no_column_has_two_roles_and_no_role_two_columns(names):
    roles = guess_roles(columns(*names))
    assert len(set(roles.values())) == len(roles)
    assert set(roles.values()) <= set(names)


@pytest.mark.parametrize(
    ("values", "time_format"),
    [
        ([1_500_000_000, 1_600_000_000], "seconds"),
        ([1_500_000_000_000], "milliseconds"),
        ([1_500_000_000_000_000], "microseconds"),
        ([1_500_000_000_000_000_000], "nanoseconds"),
        ([3, 4], "auto"),
        (["2024-05-01"], "auto"),
        ([], "auto"),
    ],
)
def test_numbers_tell_their_unit(values, time_format):
    assert guess_time_format(SeenColumn(name="t", sql_type="BIGINT", values=values)) == time_format


def test_times_are_taken_as_they_are():
    seen = SeenColumn(name="t", sql_type="TIMESTAMP", values=[datetime(2024, 5, 1)])
    assert guess_time_format(seen) == "auto"
