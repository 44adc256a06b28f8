"""Items that several catalogues speak of are put together field by field; other titles are told."""

import json

import duckdb
import pytest

from feature_store.intake.clashes import Corrections
from feature_store.intake.item_fields import Collision, combine_with_known


def combine(known, fresh):
    """What is to be written of a file's items, by id, and the collisions with what is known."""
    with duckdb.connect() as connection:
        for name, rows in (("known", known), ("fresh", fresh)):
            connection.execute(
                f"CREATE TABLE {name} (item_id VARCHAR, title VARCHAR, source VARCHAR, fields VARCHAR, "
                "stock_image_uri VARCHAR, place INTEGER)"
            )
            for row in rows:
                connection.execute(f"INSERT INTO {name} VALUES (?, ?, ?, ?, ?, 0)", row)
        made, collisions = combine_with_known(connection, Corrections(known="known", fresh="fresh"))
        rows = connection.execute(
            f"SELECT item_id, title, fields, stock_image_uri FROM {made.fresh}"
        ).fetchall()
        return {item: (title, json.loads(fields), image) for item, title, fields, image in rows}, collisions


def item(name, title, source="films", image=None, **fields):
    return (name, title, source, json.dumps(fields), image)


def test_what_one_source_says_stays_beside_what_another_says():
    written, _ = combine(
        [item("i1", "Heat", genres="crime", year="1995")], [item("i1", "Heat", "shop", price="9", genres="")]
    )
    assert written == {"i1": ("Heat", {"genres": "crime", "year": "1995", "price": "9"}, None)}


def test_a_source_may_empty_its_own_fields():
    written, _ = combine([item("i1", "Heat", genres="crime")], [item("i1", "Heat", genres="")])
    assert written == {"i1": ("Heat", {"genres": ""}, None)}


def test_an_items_picture_stays_until_another_is_told():
    known = [item("i1", "Heat", image="a.png"), item("i2", "Big", image="b.png")]
    written, _ = combine(known, [item("i1", "Heat (1995)"), item("i2", "Big", image="c.png")])
    assert {name: image for name, (_, _, image) in written.items()} == {"i1": "a.png", "i2": "c.png"}


def test_what_changes_nothing_is_not_written_whatever_the_order_of_its_fields():
    known = [item("i1", "Heat", genres="crime", year="1995"), item("i2", "Big")]
    fresh = [item("i1", "Heat", year="1995", genres="crime"), item("i3", "Big")]
    written, _ = combine(known, fresh)
    assert written == {"i3": ("Big", {}, None)}


@pytest.mark.parametrize("fields", [{"year": "1996"}, {"country": "USA"}])
def test_a_changed_or_a_new_field_is_written(fields):
    written, _ = combine([item("i1", "Heat", year="1995")], [item("i1", "Heat", **fields)])
    assert written == {"i1": ("Heat", {"year": "1995"} | fields, None)}


def test_titles_that_two_sources_give_one_id_are_told_with_their_number_and_outermost_ids():
    known = [item(f"i{n}", f"Film {n}") for n in range(1, 6)]
    fresh = [item(f"i{n}", f"Book {n}", "books") for n in (3, 4, 2)] + [item("i1", " film 1", "books")]
    fresh += [item("i5", "Film 5, remastered"), item("i9", "Book 9", "books")]
    _, collisions = combine(known, fresh)
    assert collisions == [Collision(0, "books", "films", 3, "i2", "i4")]


def test_a_collision_names_both_sources_and_its_outermost_items():
    one = Collision(0, "books", "films", 2, "i2", "i5")
    assert str(one).startswith(
        "2 items of books have another title in films, and take its place, for example item i2 and item i5: "
    )
    assert "example item i2: if" in str(Collision(0, "books", "films", 1, "i2", "i2"))


def test_collisions_of_one_file_and_its_sources_add_up():
    both = Collision(0, "books", "films", 2, "i2", "i5").and_also(
        Collision(0, "books", "films", 3, "i3", "i9")
    )
    assert both == Collision(0, "books", "films", 5, "i2", "i9")
    assert both == Collision(0, "books", "films", 3, "i3", "i9").and_also(
        Collision(0, "books", "films", 2, "i2", "i5")
    )
