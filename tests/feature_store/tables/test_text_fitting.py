"""Texts that are too long lose the ends of their longest fields, and never the template's own words."""

import json

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_store.tables.items import list_cut, render_texts, template_sql
from feature_store.tables.text_fitting import fill_template, fit_texts, shorten
from tests.feature_store.logs import ask, take_in_items

TARGET = "{title}, {genres} film poster"
TEMPLATES = {"reference_template": "{title}", "target_template": TARGET}
MOST_WORDS, LONGEST = 8, 200
FIELD = st.text(alphabet="ab c,\u00e9\n", max_size=60)


def count_unread(texts):
    """Tokens beyond those of an encoder that reads eight words."""
    return [max(0, len(text.split()) - MOST_WORDS) for text in texts]


def fits(text):
    return not count_unread([text])[0]


def render(lake, reader="a", count=count_unread):
    return render_texts(lake, **TEMPLATES, reader=reader, count_unread=count, longest=LONGEST)


def texts_of(lake):
    rows = ask(lake, "SELECT item_id, reference_text, target_text, reference_cut, target_cut FROM items")
    return {item_id: rest for item_id, *rest in rows}


@pytest.fixture
def items(lake, tmp_path):
    """Takes in items by id, with a title and genres, and renders their texts."""

    def take_in(**titles):
        take_in_items(lake, tmp_path, titles)
        for item_id, title in titles.items():
            fields = json.dumps({"title": title, "genres": "comedy"})
            lake.write(
                lambda connection, values=(fields, item_id): connection.execute(
                    "UPDATE items SET fields = ? WHERE item_id = ?", list(values)
                ),
                "give fields",
            )
        render(lake)
        return lake

    return take_in


def test_either_kind_of_text_may_be_the_one_that_is_too_long():
    fields = json.dumps({"title": "one two three", "genres": "four five six"})
    columns = {"item_id": ["i1"], "fields": [fields], "a_text": ["one two three"]}
    rows = pa.table(columns | {"b_text": ["four five six"]})
    templates = {"a": "{title}", "b": "{genres}"}

    def of_titles(texts):
        return [max(0, len(text.split()) - 2) if "one" in text else 0 for text in texts]

    def of_none(texts):
        return [0 for _ in texts]

    def fitted(count, longest):
        return [tuple(row.values()) for row in fit_texts(rows, templates, count, longest=longest).to_pylist()]

    assert fitted(of_titles, LONGEST) == [("i1", "one two", 1, "four five six", 0)]
    assert fitted(of_none, 13) == []
    assert fitted(of_none, 12) == [("i1", "one two", 1, "four five", 1)]


def test_no_character_of_a_field_that_has_room_for_none_is_kept():
    assert shorten("film {title}", {"title": "abc"}, lambda text: len(text) <= 5) == "film"
    assert shorten("film {title}", {"title": "abc"}, lambda text: len(text) <= 6) == "film a"


def test_a_long_title_is_shortened_and_the_templates_words_and_other_fields_stay(items):
    lake = items(long="one two three four five six seven eight nine ten", short="one")
    shortened = "one two three four five six seven eight", "one two three four five, comedy film poster"
    assert texts_of(lake) == {"long": [*shortened, 2, 5], "short": ["one", "one, comedy film poster", 0, 0]}
    assert list_cut(lake) == ["long"]


def test_what_was_looked_at_is_not_looked_at_again(items):
    lake = items(a="word " * 20)
    before = texts_of(lake)

    def nobody_asks(texts):
        assert not texts
        return []

    assert render(lake, count=nobody_asks) == 0
    assert texts_of(lake) == before


def test_another_encoder_reads_other_texts(items):
    title = ("word " * 20).strip()
    lake = items(a=title)
    assert texts_of(lake)["a"][3] > 0
    assert render(lake, reader="b", count=lambda texts: [0] * len(texts)) == 1
    assert texts_of(lake)["a"] == [title, f"{title}, comedy film poster", 0, 0]


def test_texts_that_are_read_alike_have_one_id(items):
    lake = items(a="word " * 20, b="word " * MOST_WORDS)
    assert ask(lake, "SELECT count(DISTINCT reference_id), count(DISTINCT reference_text) FROM items") == [
        (1, 1)
    ]


def test_a_text_of_more_characters_than_may_be_is_shortened_too(items):
    lake, end = items(wide="\u5b89" * 300), ", comedy film poster"
    reference, target, *cut = texts_of(lake)["wide"]
    assert reference == "\u5b89" * LONGEST
    assert target == "\u5b89" * (LONGEST - len(end)) + end
    assert cut == [1, 1]


def test_a_text_that_is_just_as_long_as_may_be_is_not_cut(items):
    title = "\u5b89" * (LONGEST - len(", comedy film poster"))
    assert texts_of(items(full=title))["full"] == [title, f"{title}, comedy film poster", 0, 0]


def test_many_items_are_looked_at_in_batches(items, monkeypatch):
    monkeypatch.setattr("feature_store.tables.items.ITEMS_AT_ONCE", 2)
    lake = items(**{f"i{number}": "word " * (6 + number) for number in range(5)})
    assert len(list_cut(lake)) == 5
    assert [len(texts[0].split()) for _, texts in sorted(texts_of(lake).items())] == [6, 7, 8, 8, 8]


@given(title=FIELD, genres=FIELD, template=st.sampled_from([TARGET, "a {genres} of {title}"]))
def test_whatever_the_fields_the_text_fits_and_has_the_templates_words(title, genres, template):
    fields = {"title": title, "genres": genres}
    whole = fill_template(template, fields)
    text = whole if fits(whole) else shorten(template, fields, fits)
    assert fits(text)
    own = template.replace("{title}", "").replace("{genres}", "").replace(",", "").split()
    words = text.replace(",", " ").split()
    assert all(words.count(word) >= own.count(word) for word in own)
    assert set(words) <= {*own, *title.replace(",", " ").split(), *genres.replace(",", " ").split()} or (
        "".join(words) in "".join(whole.replace(",", " ").split())
    )


def test_a_template_that_is_too_long_by_itself_is_all_that_is_left():
    assert shorten("{title} " + "word " * 10, {"title": "name"}, fits) == ("word " * 10).strip()


@given(title=FIELD, genres=FIELD)
def test_a_template_is_filled_as_the_lake_fills_it(title, genres):
    fields = {"title": title, "genres": genres}
    filled = template_sql("target_template", TARGET, list(fields))
    (text,) = duckdb.execute(f"SELECT {filled} FROM (SELECT ? AS fields)", [json.dumps(fields)]).fetchone()
    assert fill_template(TARGET, fields) == text
