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
        ("-1.0", "-1"),
        ("9007199254740992.0", "9007199254740992"),
        ("1.5e+3", "1500"),
        ("007", "007"),
        ("12345678901234567890", "12345678901234567890"),
        ("7e10", "7e10"),
        ("11.5", "11.5"),
        ("a.0", "a.0"),
        ("1.2.0", "1.2.0"),
        (" u1\u200b ", "u1"),
        ("u1\xa0", "u1"),
        ("NULL", None),
        ("\\N", None),
        ("<NA>", None),
        (" ", None),
        ("Nullarbor", "Nullarbor"),
    ],
)
def test_an_id_is_the_same_however_its_file_writes_it(connection, text, known_as):
    assert ask(connection, id_sql("x", NULL_WORDS), text) == known_as
    assert ask(connection, id_defect_sql("x", "user"), text) is None


@pytest.mark.parametrize("text", ["1e+17", "12345678901234567890.0", "1.23457E+11"])
def test_an_id_that_lost_its_digits_is_refused(connection, text):
    assert ask(connection, id_defect_sql("x", "user"), text).startswith("user lost digits")


def test_a_list_is_no_id(connection):
    assert "name it in unnest" in ask(connection, id_defect_sql("x", "items"), '["2","4"]')


def test_an_id_space_keeps_ids_apart_and_makes_none_of_nothing(connection):
    assert ask(connection, id_sql("x", NULL_WORDS, prefix="books:"), "1.0") == "books:1"
    assert ask(connection, id_sql("x", NULL_WORDS, prefix="books:"), "nan") is None


def test_words_for_nothing_are_those_of_the_settings(connection):
    assert ask(connection, value_sql("x", ("?",)), "?") is None
    assert ask(connection, value_sql("x", ("?",)), "NULL") == "NULL"
    assert ask(connection, value_sql("x", ()), "NULL") == "NULL"


@pytest.mark.parametrize("way", [value_sql, id_sql])
def test_no_text_passes_through_a_join_to_be_compared_with_words_for_nothing(connection, way):
    texts = "(SELECT i::VARCHAR AS x, i > 1 AS is_plain FROM range(9) AS t(i))"
    plan = connection.execute(f"EXPLAIN SELECT {way('x', NULL_WORDS)} FROM {texts}").fetchall()[0][1]
    assert "JOIN" not in plan
