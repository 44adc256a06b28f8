"""What sets a taste apart, in words of the catalogue that enough people like."""

import pyarrow as pa
import pytest

from feature_store.history.taste_words import compare_tastes, list_words, taste_table
from feature_store.tables.runs import open_run
from recsys_adapters.sources.catalogue import Catalogue
from tests.feature_store.logs import append_file, render, write_csv

FILMS = [
    ("noir", "Night Train", "film-noir|crime", "1946", "Black and white, rain"),
    ("comedy", "Paper Moons", "comedy", "1994", "Sunny"),
    ("love", "Blue Harbour", "comedy|romance", "1999", "sunny, tender"),
    ("space", "Iron Tide", "sci-fi", "2001", ""),
]
EVERYBODY = {"comedy": 5.0, "love": 4.0, "space": 1.0}


def take_in_catalogue(lake, folder, columns, rows):
    file = write_csv(folder / "logs" / "items.csv", columns, rows)
    catalogue = Catalogue(path=file, columns={"item_id": "item", "title": "title"})
    append_file(lake, next(iter(catalogue.files())), open_run(lake))
    render(lake)


def fill(lake, folder):
    take_in_catalogue(lake, folder, ("item", "title", "genres", "year", "mood"), FILMS)


@pytest.fixture
def words(filled):
    return comparison(filled)


def comparison(filled):
    """Compare tastes, each a dictionary of items and weights; return what is said of each."""
    rows = filled.query("SELECT item_id, reference_id FROM items").to_pylist()
    ids = {row["item_id"]: row["reference_id"] for row in rows}

    def table(tastes):
        return pa.table(
            {
                "taste_number": [number for number, taste in enumerate(tastes) for _ in taste],
                "reference_id": [ids[item] for taste in tastes for item in taste],
                "weight": [weight for taste in tastes for weight in taste.values()],
            }
        )

    def compare(*tastes, everybody=EVERYBODY, users=None, least_users=5, **options):
        population = table([everybody]).drop_columns("taste_number")
        num_users = pa.array([(users or {}).get(item, least_users) for item in everybody], pa.int64())
        population = population.append_column("num_users", num_users)
        return compare_tastes(filled, table(tastes), population, least_users=least_users, **options)

    return compare


def test_a_taste_has_more_of_what_it_likes_and_less_of_what_others_do(words):
    told = words({"space": 1.0}, fields=["genres"], most=2)
    assert list_words(told[0]) == "more sci-fi, less comedy"


def test_shares_are_of_the_weights_and_the_most_telling_word_comes_first(words):
    word = words({"space": 1.0, "comedy": 1.0}, fields=["genres"], most=1)[0][0]
    assert (word.word, word.share, word.share_of_everybody) == ("sci-fi", 0.5, pytest.approx(0.1))
    assert word.difference == pytest.approx((0.5 - 0.1) / 0.1**0.5)


PRODUCTS = [
    (
        f"p{number}",
        f"Lamp {number}",
        ("oak", "brass")[number % 2],
        f"{number + 0.95:.2f}",
        f"AB-{number}",
        f"shop://{number}",
    )
    for number in range(12)
]


def test_prices_numbers_and_addresses_are_no_words_of_a_taste(lake, tmp_path):
    columns = ("item", "title", "material", "price", "model", "link")
    take_in_catalogue(lake, tmp_path, columns, PRODUCTS)
    compare = comparison(lake)
    everybody = {item: 1.0 for item, *_ in PRODUCTS}
    assert (
        list_words(compare({"p1": 1.0, "p3": 1.0}, everybody=everybody, most=9)[0]) == "more brass, less oak"
    )
    named = compare({"p1": 1.0}, everybody=everybody, fields=["model"], most=1)[0]
    assert list_words(named) == "more ab-1"


def test_a_word_that_a_taste_lacks_has_a_share_of_nothing(words):
    (word,) = words({"space": 1.0}, everybody={"comedy": 1.0}, fields=["genres"])[0]
    assert (str(word), word.share, word.share_of_everybody, word.difference) == (
        "less comedy",
        0.0,
        1.0,
        -1.0,
    )


def test_of_few_items_too_numbers_and_addresses_letters_and_sentences_are_no_words(lake, tmp_path):
    at_most, too_long = 24 * "x", 25 * "y"
    rows = [
        ("a", "One", "9.95", "shop://a", "q", too_long, at_most),
        ("b", "Two", "9.99", "shop://b", "r", "", "ok"),
    ]
    take_in_catalogue(lake, tmp_path, ("item", "title", "price", "link", "size", "plot", "kind"), rows)
    told = comparison(lake)({"a": 1.0}, everybody={"a": 1.0, "b": 1.0}, most=9)[0]
    assert list_words(told) == f"less ok, more {at_most}"


def test_a_word_of_two_fields_is_one_word(lake, tmp_path):
    rows = [("a", "One", "noir", "noir"), ("b", "Two", "love", "tender")]
    take_in_catalogue(lake, tmp_path, ("item", "title", "genres", "mood"), rows)
    told = comparison(lake)({"a": 1.0}, everybody={"a": 1.0, "b": 3.0}, most=9)[0]
    assert [(word.word, word.share, word.share_of_everybody) for word in told] == [
        ("noir", 1.0, 0.25), ("love", 0.0, 0.75), ("tender", 0.0, 0.75)
    ]  # fmt: skip


@pytest.mark.parametrize(("num_items", "is_told"), [(9, True), (10, False)])
def test_a_field_whose_words_only_one_item_has_each_is_a_name_once_there_are_ten_items(
    lake, tmp_path, num_items, is_told
):
    rows = [(f"i{number}", f"Lamp {number}", f"model{number}") for number in range(num_items)]
    take_in_catalogue(lake, tmp_path, ("item", "title", "model"), rows)
    everybody = {item: 1.0 for item, *_ in rows}
    assert bool(comparison(lake)({"i1": 1.0}, everybody=everybody)) is is_told


@pytest.mark.parametrize(
    ("num_items", "num_words", "is_told"), [(12, 9, True), (12, 10, False), (10, 8, False), (11, 8, True)]
)
def test_a_field_of_properties_has_more_than_five_items_for_every_four_words(
    lake, tmp_path, num_items, num_words, is_told
):
    rows = [(f"i{number}", f"Lamp {number}", f"wood{number % num_words}") for number in range(num_items)]
    take_in_catalogue(lake, tmp_path, ("item", "title", "wood"), rows)
    everybody = {item: 1.0 for item, *_ in rows}
    assert bool(comparison(lake)({"i1": 1.0}, everybody=everybody)) is is_told


def test_whether_a_field_is_a_name_is_seen_by_what_people_like_alone(lake, tmp_path):
    rows = [
        (f"{who}{number}", f"{who} {number}", f"m{number}")
        for who in ("liked", "left")
        for number in range(12)
    ]
    take_in_catalogue(lake, tmp_path, ("item", "title", "model"), rows)
    everybody = {f"liked{number}": 1.0 for number in range(12)}
    assert not comparison(lake)({"liked1": 1.0}, everybody=everybody)


def test_nine_items_are_few_however_many_words_they_have(lake, tmp_path):
    rows = [(f"i{number}", f"Lamp {number}", f"a{number}, b{number}") for number in range(9)]
    take_in_catalogue(lake, tmp_path, ("item", "title", "tags"), rows)
    assert comparison(lake)({"i1": 1.0}, everybody={item: 1.0 for item, *_ in rows})


def test_a_part_that_a_field_repeats_is_one_word(lake, tmp_path):
    rows = [("a", "One", "drama|Drama"), ("b", "Two", "war")]
    take_in_catalogue(lake, tmp_path, ("item", "title", "genres"), rows)
    told = comparison(lake)({"a": 1.0}, everybody={"a": 1.0, "b": 1.0})[0]
    assert [(str(word), word.share) for word in told] == [("more drama", 1.0), ("less war", 0.0)]


def test_a_word_is_named_where_enough_like_one_of_its_texts(words):
    told = words(
        {"space": 1.0}, everybody={"comedy": 1.0, "love": 1.0}, users={"love": 4}, fields=["genres"], most=9
    )
    assert list_words(told[0]) == "less comedy"


@pytest.mark.parametrize(("share", "is_told"), [(0.5625, True), (0.53125, False)])
def test_a_twentieth_is_the_least_difference_that_is_told(words, share, is_told):
    taste, everybody = {"space": share, "comedy": 1 - share}, {"space": 1.0, "comedy": 1.0}
    assert bool(words(taste, everybody=everybody, fields=["genres"])) is is_told


def test_three_words_are_told_if_no_other_number_is_wanted(words):
    assert [len(told) for told in words({"space": 1.0}, {"noir": 1.0}).values()] == [3, 3]


def test_a_year_says_its_decade(words):
    assert list_words(words({"space": 1.0}, fields=["year"])[0]) == "more 2000s, less 1990s"


def test_a_word_of_texts_that_too_few_like_each_is_not_named_but_counts_against_the_others(words):
    told = words(
        {"space": 1.0}, everybody={"comedy": 1.0, "space": 1.0}, users={"space": 4}, fields=["genres"]
    )
    assert list_words(told[0]) == "less comedy"
    assert told[0][0].share_of_everybody == 0.5


def test_of_items_with_one_text_only_what_all_of_them_have_is_a_word(lake, tmp_path):
    """Whoever met one of them has not met the other's own words."""
    rows = [
        ("a", "Hamlet", "tragedy", ""),
        ("b", "Hamlet", "tragedy", "my own notes"),
        ("c", "Emma", "love", ""),
    ]
    take_in_catalogue(lake, tmp_path, ("item", "title", "genre", "tags"), rows)
    told = comparison(lake)({"a": 1.0}, everybody={"a": 6.0, "c": 6.0}, most=9)[0]
    assert {str(word) for word in told} == {"more tragedy", "less love"}


@pytest.mark.parametrize("mark", [",", ";", "\uff0c", "\u3001"])
def test_a_field_with_signs_between_its_parts_is_cut_nowhere_else(lake, tmp_path, mark):
    rows = [
        ("a", "One", "Science Fiction"),
        ("b", "Two", f"Science Fiction{mark}Horror"),
        ("c", "Three", "War"),
    ]
    take_in_catalogue(lake, tmp_path, ("item", "title", "genres"), rows)
    everybody = {"a": 1.0, "b": 1.0, "c": 2.0}
    told = comparison(lake)({"a": 1.0}, everybody=everybody, fields=["genres"], most=9)[0]
    assert {str(word) for word in told} == {"more science fiction", "less horror", "less war"}


def test_a_word_that_no_population_likes_is_not_named(words):
    told = words({"noir": 1.0}, fields=["genres"])
    assert list_words(told[0]) == "less comedy, less romance, less sci-fi"


def test_parts_of_a_field_are_split_where_it_has_signs_for_it_and_case_does_not_count(words):
    everybody = {"noir": 1.0, "comedy": 1.0, "love": 1.0}
    told = words({"noir": 1.0}, everybody=everybody, fields=["mood"], most=9)
    assert {str(word) for word in told[0]} == {
        "more black and white",
        "more rain",
        "less sunny",
        "less tender",
    }


def test_without_fields_all_but_the_title_are_read(words):
    told = {str(word) for word in words({"space": 1.0}, most=99)[0]}
    assert told == {
        "more sci-fi",
        "more 2000s",
        "less comedy",
        "less romance",
        "less 1990s",
        "less sunny",
        "less tender",
    }


def test_a_taste_like_everybodys_has_no_words(words):
    assert words(EVERYBODY) == {}


def test_each_taste_is_compared_by_itself(words):
    one, other = {"space": 1.0}, {"comedy": 2.0, "love": 1.0}
    assert words(one, other) == {0: words(one)[0], 1: words(other)[0]}


def test_nobody_to_compare_with_and_nothing_to_compare_say_nothing(words):
    assert words({"space": 1.0}, everybody={}) == {}
    assert words() == words({}) == {}


def test_references_are_written_with_their_taste_s_number_first():
    table = taste_table([(0, 7, 0.5), (1, 8, 2.0)])
    assert table.to_pydict() == {"taste_number": [0, 1], "reference_id": [7, 8], "weight": [0.5, 2.0]}
    assert taste_table([]).schema == table.schema
    assert taste_table([]).num_rows == 0


@pytest.mark.parametrize("factor", [0.01, 250.0])
def test_the_scale_of_the_weights_does_not_count(words, factor):
    scaled = {item: factor * weight for item, weight in EVERYBODY.items()}
    taste = {"space": 3.0, "love": 1.0}
    told = words({item: factor * weight for item, weight in taste.items()}, everybody=scaled)[0]
    assert list_words(told) == list_words(words(taste)[0])
