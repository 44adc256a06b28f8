import pytest

from recsys_adapters.records.plain_values import NULL_WORDS, id_defect_sql, id_sql, value_sql


def ask(connection, sql, text):
    rows = connection.execute(f"SELECT {sql} FROM (SELECT $1::VARCHAR AS x, false AS is_plain)", [text])
    return rows.fetchall()[0][0]


@pytest.mark.parametrize(
    ("text", "known_as"),
    [
        ("11.0", "11"),
        ("11.00", "11"),
        ('="007"', "007"),
        ('=" 007 "', "007"),
        ('=""', None),
        ('="NULL"', None),
        ('="', '="'),
        ("a=", "a="),
        ("-1.0", "-1"),
        ("9007199254740991.0", "9007199254740991"),
        ("9.007199254740991E15", "9007199254740991"),
        ("1.5e+3", "1500"),
        ("1.2345678E7", "12345678"),
        ("9.0E7", "90000000"),
        ("1.25e+1", "1.25e+1"),
        ("1.25E1", "1.25E1"),
        ("1E5", "1E5"),
        ("007", "007"),
        ("12345678901234567890", "12345678901234567890"),
        ("7e10", "7e10"),
        ("11.5", "11.5"),
        ("a.0", "a.0"),
        ("1.2.0", "1.2.0"),
        (" u1\u200b ", "u1"),
        ("\tu1", "u1"),
        ("u1\xa0", "u1"),
        ("NULL", None),
        ("NULL   ", None),
        (" nan", None),
        ("NA", None),
        ("undefined", None),
        ("Nan Goldin", "Nan Goldin"),
        ("11,0", "11,0"),
        ("[deleted]", "[deleted]"),
        ("[no artist]", "[no artist]"),
        ("[None of us]", "[None of us]"),
        ("[Rowing (live)]", "[Rowing (live)]"),
        ("[nanobot]", "[nanobot]"),
        ("Row (2019)", "Row (2019)"),
        ("(None) Left", "(None) Left"),
        ("{3F2504E0-4F89-11D3}", "{3F2504E0-4F89-11D3}"),
        ("(500) Days of Summer (2009)", "(500) Days of Summer (2009)"),
        ("\\N", None),
        ("<NA>", None),
        (" ", None),
        ("Nullarbor", "Nullarbor"),
    ],
)
def test_an_id_is_the_same_however_its_file_writes_it(connection, text, known_as):
    assert ask(connection, id_sql("x", NULL_WORDS), text) == known_as
    assert ask(connection, id_defect_sql("x", "user"), text) is None


@pytest.mark.parametrize(
    ("text", "known_as"),
    [("11,0", "11"), ("11.0", "11"), ("1,5E+7", "15000000"), ("1.000", "1.000"), ("1,000", "1")],
)
def test_an_id_that_became_a_float_with_a_decimal_comma_is_a_whole_number_again(connection, text, known_as):
    assert ask(connection, id_sql("x", NULL_WORDS, decimal=","), text) == known_as
    assert ask(connection, id_defect_sql("x", "user", decimal=","), text) is None


def test_an_id_that_lost_its_digits_to_a_decimal_comma_is_refused(connection):
    assert "lost digits" in ask(connection, id_defect_sql("x", "user", decimal=","), "1,23457E+11")


@pytest.mark.parametrize(
    "text",
    ["1e+17", "12345678901234567890.0", "1.23457E+11", "1.2345678901234567E17", "9007199254740992.0"]
    + ["-9007199254740992.0", "9.007199254740992E15"],
)
def test_an_id_that_lost_its_digits_is_refused(connection, text):
    assert ask(connection, id_defect_sql("x", "user"), text).startswith("user lost digits")


@pytest.mark.parametrize(
    "text",
    ['["2","4"]', "['2', '4']", "[2 4]", "['2' '4']", "[1.0, 2.0]", "(2, 4)", "{'a': 1}", "{2, 4}", " [ 2]"]
    + ["[np.int64(5), np.int64(6)]", "[np.str_('a')]", "[None, 'x']", "['x', None]", "[None]"]
    + [
        "['a' 'b'\n 'c']",
        "[{5, 0.9}, {6, 0.8}]",
        "[{a, 0.9}, {b, 0.8}]",
        "{5 -> 0.9}",
        "[(5, 0.9)]",
        "[[1 2]]",
    ]
    + ["[Row(item_id=5, rating=0.9)]", "Row(item_id=5)", "array(['a', 'b'], dtype=object)", "(None, 5)"]
    + ["[UUID('a0ee')]", "[datetime.date(2024, 1, 1)]", "{np.int64(5), np.int64(6)}", "(np.int64(5), 6)"],
)
def test_a_list_is_no_id(connection, text):
    assert "name it in unnest" in ask(connection, id_defect_sql("x", "items"), text)


def test_an_id_space_keeps_ids_apart_and_makes_none_of_nothing(connection):
    assert ask(connection, id_sql("x", NULL_WORDS, prefix="books:"), "1.0") == "books:1"
    assert ask(connection, id_sql("x", NULL_WORDS, prefix="books:"), "nan") is None


def test_words_for_nothing_are_those_of_the_settings(connection):
    assert ask(connection, value_sql("x", ("?",)), "?") is None
    assert ask(connection, value_sql("x", ("?",)), "NULL") == "NULL"
    assert ask(connection, value_sql("x", ()), "NULL") == "NULL"


@pytest.mark.parametrize("text", [" NULL", "nan ", "\tNone", "\tNone\xa0"])
def test_a_word_for_nothing_among_blanks_is_nothing(connection, text):
    assert ask(connection, value_sql("x", NULL_WORDS), text) is None


@pytest.mark.parametrize(
    ("text", "meant"),
    [('="007"', "007"), ('="a ""b"""', 'a "b"'), ('=""', None), ('="x', '="x'), ("=1", "=1")],
)
@pytest.mark.parametrize("null_words", [NULL_WORDS, ()])
def test_what_a_spreadsheet_keeps_from_being_a_number_is_what_it_shows(connection, text, meant, null_words):
    assert ask(connection, value_sql("x", null_words), text) == meant


@pytest.mark.parametrize("way", [value_sql, id_sql])
def test_no_text_passes_through_a_join_to_be_compared_with_words_for_nothing(connection, way):
    texts = "(SELECT i::VARCHAR AS x, i > 1 AS is_plain FROM range(9) AS t(i))"
    plan = connection.execute(f"EXPLAIN SELECT {way('x', NULL_WORDS)} FROM {texts}").fetchall()[0][1]
    assert "JOIN" not in plan
