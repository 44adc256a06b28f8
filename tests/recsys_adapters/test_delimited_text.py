import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_store.schemas import ITEMS
from recsys_adapters.delimited_text import DelimitedText
from recsys_adapters.errors import SourceFileError
from recsys_adapters.record_format import FileColumn
from recsys_adapters.source_file import SourceFile
from tests.recsys_adapters.contract import stage

COLUMNS = (FileColumn("item_id", "id"), FileColumn("title", "title"), FileColumn("price", "price", "DOUBLE"))
VALUES = st.sampled_from(
    ["", " ", "1", " 2 ", "-.5", "1e3", "1_0", "0x10", "x", '"y"', '"', '""', ' "z" ', '"a""b"']
)


def item_file(path, **options):
    return SourceFile(
        path=path,
        name=path.name,
        source="shop",
        table="items",
        format=DelimitedText(**options),
        columns=COLUMNS,
        staged={
            "item_id": "item_id",
            "title": "title",
            "fields": "json_object('price', price)",
            "stock_image_uri": "NULL",
        },
    )


@given(values=st.lists(VALUES, min_size=2, max_size=5))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_the_fast_way_accepts_the_careful_way_reads_alike(connection, tmp_path, values):
    path = tmp_path / "items.csv"
    path.write_text("id,title,price\n" + ",".join(values) + "\n")
    alone = stage(connection, item_file(path)).rows
    path.write_text(path.read_text() + "\n")  # the empty line forces the careful way
    assert stage(connection, item_file(path)).rows == alone


@pytest.mark.parametrize("delimiter", ["\t", "|", ";", "^", "-"])
def test_values_may_be_parted_by_any_character(connection, tmp_path, delimiter):
    path = tmp_path / "items.csv"
    path.write_text(delimiter.join(["id", "title", "price"]) + "\n")
    with path.open("a") as file:
        file.write(
            delimiter.join(["1", f'"a{delimiter} ""b"""', "2"]) + "\n" + delimiter.join("134") + "\n\n"
        )
    staged = stage(connection, item_file(path, delimiter=delimiter))
    assert [row[:2] for row in staged.rows] == [("1", f'a{delimiter} "b"'), ("1", "3")]
    assert staged.rejects == [(4, "line is empty", "")]


def test_a_quoted_value_that_goes_on_in_the_next_line_is_refused_with_both_lines(connection, tmp_path):
    path = tmp_path / "items.csv"
    path.write_text('id,title,price\n1,"two\nlines",3\n2,b,4\n')
    staged = stage(connection, item_file(path))
    assert staged.rejects == [(2, "stray quote", '1,"two'), (3, "line has 2 columns, expected 3", 'lines",3')]
    assert [row[0] for row in staged.rows] == ["2"]


def test_lines_are_numbered_right_over_the_blocks_of_a_long_file(connection, tmp_path):
    path = tmp_path / "items.csv"
    num_lines, broken = 600_000, (3, 250_000, 599_999)
    lines = [f"{i},a title of some length,{i}" for i in range(num_lines)]
    for place in broken:
        lines[place] = "broken"
    path.write_text("id,title,price\n" + "\n".join(lines))
    file = item_file(path)
    file.stage(connection)
    assert connection.sql("SELECT line FROM staged_rejects ORDER BY line").fetchall() == [
        (i + 2,) for i in broken
    ]
    assert connection.sql("SELECT count(*) FROM staged_rows").fetchall() == [(num_lines - len(broken),)]


def test_a_column_named_twice_is_an_error(connection, tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("id,title,price,title\n")
    with pytest.raises(SourceFileError, match=r"items\.csv names a column twice: \['title'\]"):
        stage(connection, item_file(path))


@pytest.mark.parametrize("delimiter", ["", "::", '"', "\n"])
def test_a_delimiter_that_cannot_part_values_is_an_error(delimiter):
    with pytest.raises(ValueError, match="must be one character, and neither a quote nor a line end"):
        DelimitedText(delimiter=delimiter)


def test_a_file_may_have_a_quote_in_its_name(connection, tmp_path):
    path = tmp_path / "it's.csv"
    path.write_text("id,title,price\n1,a,2\n")
    assert stage(connection, item_file(path)).rows[0][: len(ITEMS.staged) - 2] == ("1", "a")
