import json

import pytest

from recsys_adapters.errors import SourceFileError
from recsys_adapters.sources.catalogue import Catalogue
from recsys_adapters.testing.line_contract import HeaderContract, Utf8Contract, stage

COLUMNS = {"item_id": "sku", "title": "name"}


class TestCsvCatalogue(HeaderContract):
    header = b"sku,name,colour,picture"
    required = b"name"
    file_name = "items.csv"
    broken = {
        b"": "line is empty",
        b"1,Chair,red": "line has 3 columns, expected 4",
        b",Chair,red,": "item_id is missing",
        b"1, ,red,": "title is missing",
        b'1,Chair,"red,': "stray quote",
        b"1,Chair,red\xff,": "not valid UTF-8",
        b"1,Chair,red\0,": "colour has a NUL character",
    }

    def record(self, number):
        return f'{number},Chair {number},"{number} ""reds""",file:///{number}.png'.encode()

    def source_file(self, folder):
        return Catalogue(path=folder, columns=COLUMNS | {"stock_image_uri": "picture"}).files()[0]

    def test_every_other_column_is_a_field(self, clean):
        item_id, title, fields, stock_image_uri = clean.rows[1]
        assert (item_id, title, stock_image_uri) == ("1", "Chair 1", "file:///1.png")
        assert json.loads(fields) == {"title": "Chair 1", "colour": '1 "reds"'}

    def test_an_additional_column_changes_nothing(self, clean):
        content = b"\n".join([self.header + b",depth", *(line + b",45" for line in self.lines())])
        fields = [json.loads(row[2]) for row in self.stage_bytes(content).rows]
        assert fields == [json.loads(row[2]) | {"depth": "45"} for row in clean.rows]

    def test_columns_may_stand_in_another_order(self, clean):
        reordered = [b",".join(reversed(line.split(b","))) for line in (self.header, *self.lines())]
        rows = self.stage_bytes(b"\n".join(reordered)).rows
        assert [(*row[:2], json.loads(row[2])) for row in rows] == [
            (*row[:2], json.loads(row[2])) for row in clean.rows
        ]


class TestJsonCatalogue(Utf8Contract):
    file_name = "items.jsonl"
    broken = {
        b"": "line is empty",
        b"{": "line is not JSON",
        b'{"sku": "1"}': "title is missing",
        b'{"sku": "", "name": "Chair"}': "item_id is missing",
    }

    def record(self, number):
        return json.dumps({"sku": number, "name": f"Chair {number}", "tags": ["red", number]}).encode()

    def source_file(self, folder):
        return Catalogue(path=folder, columns=COLUMNS, format="jsonl").files()[0]

    def test_a_list_is_a_field_of_its_words(self, clean):
        assert json.loads(clean.rows[2][2]) == {"title": "Chair 2", "tags": "red 2"}


def test_a_catalogue_needs_an_id(tmp_path):
    with pytest.raises(ValueError, match=r"catalogue: item_id missing\. Map item_id and, if .* title"):
        Catalogue(path=tmp_path, columns={"title": "name"})


@pytest.mark.parametrize(("num_columns", "is_too_wide"), [(500, False), (501, True)])
def test_a_catalogue_of_more_columns_than_can_be_planned_is_refused(tmp_path, num_columns, is_too_wide):
    names = ["item_id", "title", *(f"c{number}" for number in range(num_columns - 2))]
    (tmp_path / "wide.csv").write_text(",".join(names) + "\n" + ",".join(["1"] * num_columns) + "\n")
    (file,) = Catalogue(path=tmp_path / "wide.csv", columns={"item_id": "item_id", "title": "title"}).files()
    assert bool(file.fault) == is_too_wide
    if file.fault:
        with pytest.raises(SourceFileError, match="wide.csv has 501 columns, and a catalogue may have 500"):
            file.examine()


@pytest.mark.parametrize("written", ["books", "books:", " books "])
def test_an_id_space_is_parted_from_ids_by_one_colon_however_it_is_written(connection, tmp_path, written):
    (tmp_path / "books.csv").write_text("sku,name\n1,Emma\n")
    source = Catalogue(path=tmp_path / "books.csv", columns=COLUMNS, id_space=written)
    plain = Catalogue(path=tmp_path / "books.csv", columns=COLUMNS, id_space="books")
    (file,) = source.files()
    rows = connection.execute(f"SELECT item_id FROM ({file.examine().records(connection)})").fetchall()
    assert rows == [("books:1",)]
    assert file.reading == plain.files()[0].reading


@pytest.mark.parametrize("written", [":", " ", " : "])
def test_an_id_space_without_a_word_is_refused(tmp_path, written):
    with pytest.raises(ValueError, match="id_space holds no word: write one, such as books"):
        Catalogue(path=tmp_path, columns=COLUMNS, id_space=written)


@pytest.mark.parametrize("quote", ['"', ""])
def test_an_isbn_that_was_written_for_a_spreadsheet_is_what_it_shows(connection, tmp_path, quote):
    row = '"=""0310""",Emma,"=""007"""' if quote else '="0310",Emma,="007"'
    (tmp_path / "books.csv").write_text(f"isbn,title,shelf\n{row}\n")
    columns = {"item_id": "isbn", "title": "title"}
    (file,) = Catalogue(path=tmp_path, columns=columns, quote=quote).files()
    (row,) = stage(connection, file).rows
    assert row[:3] == ("0310", "Emma", '{"title":"Emma","shelf":"007"}')


def test_of_two_columns_of_one_name_the_first_is_a_field_and_a_note_says_so(connection, tmp_path):
    (tmp_path / "items.csv").write_text("sku,name,genre,genre\n1,Emma,comedy,drama\n")
    (file,) = Catalogue(path=tmp_path, columns=COLUMNS).files()
    assert stage(connection, file).rows[0][2] == '{"title":"Emma","genre":"comedy"}'
    assert file.notes == (
        "items.csv has several columns genre: the first of a name is read, rename the others",
    )


def test_many_columns_that_are_there_twice_are_told_shortly(tmp_path):
    names = ["sku", "name", *"abcde", *"abcde"]
    (tmp_path / "items.csv").write_text(",".join(names) + "\n" + ",".join(["1"] * len(names)) + "\n")
    (file,) = Catalogue(path=tmp_path, columns=COLUMNS).files()
    assert file.notes[0].startswith("items.csv has several columns a, b, c and 2 more: ")


@pytest.mark.parametrize("decimal", ["x", "", ",."])
def test_what_parts_no_numbers_is_refused_as_decimal(tmp_path, decimal):
    with pytest.raises(ValueError, match=f'decimal = "{decimal}" parts no numbers: write "." or ","'):
        Catalogue(path=tmp_path, columns=COLUMNS, decimal=decimal)
