import duckdb
import pytest

from recsys_adapters.records.plain_texts import plain_text, plain_text_sql, register_plain_text


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Tom &amp; Jerry", "Tom & Jerry"),
        ("Tom &amp;amp; Jerry", "Tom & Jerry"),
        ("Pok&eacute;mon", "Pokémon"),
        ("<b>Delta</b>", "Delta"),
        ("one<br/>two", "one two"),
        ("castle <lora:add_detail:0.5>", "castle"),
        ("&lt;script&gt;x&lt;/script&gt;", "x"),
        ("I <3 you", "I <3 you"),
        ("If a<b then c>d", "If a<b then c>d"),
        ("<Unknown Artist>", "<Unknown Artist>"),
        ("Milk&centre; R&D", "Milk&centre; R&D"),
        ('<a href="x>y" target=new>a link</a>', "a link"),
        ("<script async>x<!-- hidden -->", "x"),
        ("<svg/onload=alert(1)>x<img src=a onerror='b>c'//>", "x"),
        ('["Action", "Sci-Fi"]', "Action Sci-Fi"),
        ("['Action', 'Sci-Fi']", "Action Sci-Fi"),
        ('[["Books", "Fiction"]]', "Books Fiction"),
        ('{"Brand": "X"}', "X"),
        ("[]", ""),
        ("[REC]", "[REC]"),
        ("Comedy|Drama", "Comedy Drama"),
        ("(no genres listed)", ""),
        ("\u200b\ufeff\xa0", ""),
        ("  two   words ", "two words"),
        ("zwj \U0001f468\u200d\U0001f469", "zwj \U0001f468\u200d\U0001f469"),
    ],
)
def test_a_text_is_as_people_see_it(text, read):
    assert plain_text(text) == read
    connection = duckdb.connect()
    register_plain_text(connection)
    register_plain_text(connection)
    found = connection.execute(f"SELECT {plain_text_sql('x')} FROM (SELECT $1::VARCHAR AS x)", [text])
    assert (found.fetchall()[0][0] or "") == read


def test_brackets_and_bars_of_a_title_are_its_own():
    assert plain_text("['Salem's Lot] A|B", is_title=True) == "['Salem's Lot] A|B"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('["The Matrix"]', "The Matrix"),
        ('{"en": "The Matrix", "fr": "Matrix"}', "The Matrix"),
        ("[null, 'The Matrix']", "[null, 'The Matrix']"),
        ('[null, "The Matrix"]', "The Matrix"),
        ("[1408]", "[1408]"),
        ("[REC]", "[REC]"),
        ("[]", ""),
    ],
)
def test_a_title_that_is_a_list_or_an_object_of_texts_is_its_first_text(text, read):
    assert plain_text(text, is_title=True) == read


@pytest.mark.parametrize("part", ["<a ", "<!--", "a= ", "/y=2", 'b="', " ", "/ ", "open "])
def test_a_long_text_that_is_almost_markup_is_read_as_it_is(part):
    text = "<a " + part * 50_000 + "x"
    assert plain_text(text) == " ".join(text.split())


def test_the_function_outlives_the_connection_that_it_was_registered_with():
    database = duckdb.connect()
    first = database.cursor()
    register_plain_text(first)
    first.close()
    del first
    other = database.cursor()
    register_plain_text(other)
    texts = f"SELECT DISTINCT {plain_text_sql('x')} FROM (SELECT '[\"a\"]' AS x FROM range(9999))"
    assert other.execute(texts).fetchall() == [("a",)]
