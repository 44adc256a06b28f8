from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_store.schemas import ITEMS
from recsys_adapters.errors import SourceFileError
from recsys_adapters.formats.delimited_blocks import DelimitedBlocks
from recsys_adapters.formats.delimited_text import DelimitedText
from recsys_adapters.formats.record_format import FileColumn
from recsys_adapters.records.source_file import SourceFile
from recsys_adapters.testing.line_contract import stage

COLUMNS = (FileColumn("item_id", "id"), FileColumn("title", "title"), FileColumn("price", "price", "DOUBLE"))
PLAIN = [b"", b" ", b"1", b" 2 ", b"-.5", b"1e3", b"1_0", b"0x10", b"x", b"\xc3\xa9", b"\xff", b"\r", b"\0"]
QUOTED = [
    b'"y"',
    b'""',
    b'""""',
    b'"a""b"',
    b'"""a"""',
    b'"a,b"',
    b'"a',
    b' "z" ',
    b'"',
    b'"""',
    b'"a"b',
    b'a"b',
]
VALUES = st.sampled_from(PLAIN + QUOTED)


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


@pytest.mark.whole
@given(
    lines=st.lists(st.lists(VALUES, min_size=2, max_size=5), min_size=1, max_size=4),
    quote=st.sampled_from(['"', ""]),
)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lines_split_at_once_and_one_by_one_read_alike(connection, tmp_path, lines, quote):
    path = tmp_path / "items.csv"
    path.write_bytes(b"\n".join([b"id,title,price", *(b",".join(values) for values in lines)]))
    file = item_file(path, quote=quote)
    found = stage(connection, file)
    assert len(found.rows) + len(found.rejects) == len(lines)
    with patch.object(DelimitedBlocks, "_misleading_lines", all_lines):
        one_by_one = stage(connection, file)
    assert sorted(found.rows) == sorted(one_by_one.rows)
    assert found.rejects == one_by_one.rejects


def all_lines(self, block):
    return np.ones(len(block.line_ends), bool)


def test_a_flaw_leaves_the_lines_around_it_to_be_split_at_once(tmp_path):
    flaws = [b"", b'1,"two,3', b"1,two", b"1,tw\xff,3", b"1,t\0o,3", b"1,t\ro,3"]
    path = tmp_path / "items.csv"
    path.write_bytes(b"".join(b"1,two,3\n" + flaw + b"\n" for flaw in flaws))
    blocks = DelimitedBlocks(
        path=path,
        delimiter=",",
        num_header_lines=0,
        num_columns=3,
        wanted=(0, 1, 2),
    )
    stream = pa.Table.from_batches(blocks.batches())
    split = stream.filter(pc.field("is_split"))
    assert split["line"].to_pylist() == [1, 3, 5, 7, 9, 11]
    assert split.select(["c0", "c1", "c2"]).to_pylist() == [{"c0": "1", "c1": "two", "c2": "3"}] * 6
    assert sorted(stream["line"].to_pylist()) == list(range(1, 13))


@pytest.mark.parametrize("delimiter", ["\t", "|", ";", "^", "-"])
def test_values_may_be_parted_by_any_character(connection, tmp_path, delimiter):
    path = tmp_path / "items.csv"
    path.write_text(delimiter.join(["id", "title", "price"]) + "\n")
    with path.open("a") as file:
        file.write(
            delimiter.join(["1", f'"a{delimiter} ""b"""', "2"])
            + "\n"
            + delimiter.join("134")
            + "\n\n"
            + delimiter.join("156")
            + "\n\n"
        )
    staged = stage(connection, item_file(path, delimiter=delimiter))
    assert [row[:2] for row in staged.rows] == [("1", f'a{delimiter} "b"'), ("1", "3"), ("1", "5")]
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
    records = file.examine().records(connection)
    counts = f"SELECT list(line ORDER BY line) FILTER (reason IS NOT NULL), count(*) FROM ({records})"
    assert connection.execute(counts).fetchall() == [([i + 2 for i in broken], num_lines)]


def test_a_column_named_twice_is_an_error(connection, tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("id,title,price,title\n")
    with pytest.raises(SourceFileError, match=r"items\.csv names a column twice: \['title'\]"):
        stage(connection, item_file(path))


@pytest.mark.parametrize("line", ['1||"a||b"||2', '1 ||"a||b" || 2'])
def test_a_delimiter_of_several_characters_may_stand_in_a_quoted_value(connection, tmp_path, line):
    path = tmp_path / "items.csv"
    path.write_text(f"id||title||price\n{line}\n")
    assert stage(connection, item_file(path, delimiter="||")).rows[0][1] == "a||b"


@pytest.mark.parametrize("delimiter", ["", '"', "\n"])
def test_a_delimiter_that_cannot_part_values_is_an_error(delimiter):
    with pytest.raises(ValueError, match="must be one character or more, no quote and no line end"):
        DelimitedText(delimiter=delimiter)


def test_a_file_may_have_a_quote_in_its_name(connection, tmp_path):
    path = tmp_path / "it's.csv"
    path.write_text("id,title,price\n1,a,2\n")
    assert stage(connection, item_file(path)).rows[0][: len(ITEMS.staged) - 2] == ("1", "a")


@pytest.mark.parametrize("text", ["   \n  \n", "\n" * 60 + "user,item\n"])
def test_a_file_that_begins_with_blank_lines_alone_has_no_header(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(SourceFileError, match=r"a.csv has no header: its first [0-9]+ lines are blank"):
        DelimitedText().layout(tmp_path / "a.csv")


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing yet\n"])
def test_a_file_without_a_line_that_could_be_one_has_no_columns(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    assert DelimitedText(comment="#").layout(tmp_path / "a.csv").names == ()


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"Sep=;"'])
def test_the_line_in_which_excel_names_the_delimiter_is_no_header(connection, tmp_path, line):
    (tmp_path / "items.csv").write_text(f"{line}\nid;title;price\n7;Emma;2\n")
    (row,) = stage(connection, item_file(tmp_path / "items.csv")).rows
    assert row[:2] == ("7", "Emma")
