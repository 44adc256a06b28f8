"""Objects of JSON, however they are put into a file."""

import gzip
import json

import pytest

from recsys_adapters.errors import SourceFileError
from recsys_adapters.sources.event_log import EventLog
from recsys_adapters.testing.line_contract import stage

COLUMNS = {"user_id": "user", "item_id": "item", "event_time": "at"}
EVENTS = [{"user": f"u{n}", "item": "} {", "at": 1500000000 + n} for n in range(3)]
LINES = "".join(json.dumps(event) + "\n" for event in EVENTS)


def read(connection, file):
    (found,) = EventLog(path=file, columns=COLUMNS, format="json").files()
    staged = stage(connection, found)
    return [row[1] for row in staged.rows], [reason for _, reason, _ in staged.rejects]


@pytest.mark.parametrize(
    "text",
    [
        LINES,
        LINES.replace("\n", ""),
        LINES.replace("\n", " "),
        json.dumps(EVENTS),
        json.dumps(EVENTS, indent=4),
        "\n".join(json.dumps(event, indent=4) for event in EVENTS),
    ],
    ids=["lines", "one after another", "parted by blanks", "array", "indented array", "indented objects"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_objects_are_read_however_they_are_put_into_a_file(connection, tmp_path, text, encoding):
    (tmp_path / "log.json").write_text(text, encoding=encoding)
    assert read(connection, tmp_path / "log.json") == (["u0", "u1", "u2"], [])


@pytest.mark.parametrize("indent", [None, 4])
def test_what_is_no_object_in_an_array_is_refused_by_itself(connection, tmp_path, indent):
    beside = [5, None, "x, [y]", [1, {"user": "a"}], 'say "so"', True]
    values = [each for pair in zip(beside[:3], EVENTS, strict=True) for each in pair] + beside[3:]
    (tmp_path / "log.json").write_text(json.dumps([*values[1:], values[0]], indent=indent))
    reasons = ["line is not a JSON object"] * len(beside)
    assert read(connection, tmp_path / "log.json") == (["u0", "u1", "u2"], reasons)


@pytest.mark.parametrize("end", ["", ",", ",\n"])
def test_a_list_that_was_cut_between_its_objects_is_told(connection, tmp_path, end):
    (tmp_path / "log.json").write_text(json.dumps(EVENTS, indent=1).removesuffix("\n]") + end)
    users, reasons = read(connection, tmp_path / "log.json")
    assert users == ["u0", "u1", "u2"]
    assert reasons == ["line is not JSON"]


def test_brackets_too_many_cost_nothing_that_follows_them(connection, tmp_path):
    (tmp_path / "log.json").write_text("{\n" + LINES[1:].replace("\n", "}\n", 1))
    assert read(connection, tmp_path / "log.json") == (["u0", "u1", "u2"], ["line is not JSON"])


@pytest.mark.parametrize("first", ['{"user": "a", "item": "}{"', '{"user": "a"} and {"more": 1}', "{}[{}"])
def test_a_first_line_that_is_broken_costs_only_itself(connection, tmp_path, first):
    (tmp_path / "log.json").write_text(first + "\n" + LINES)
    assert read(connection, tmp_path / "log.json") == (["u0", "u1", "u2"], ["line is not JSON"])


@pytest.mark.parametrize("wrapped", [{"rows": EVENTS}, {"status": "ok", "rows": EVENTS, "ids": [1, 2]}])
def test_records_inside_of_a_list_are_an_error_that_names_the_list(tmp_path, wrapped):
    (tmp_path / "log.json").write_text(json.dumps(wrapped))
    (found,) = EventLog(path=tmp_path / "log.json", columns=COLUMNS, format="json").files()
    with pytest.raises(
        SourceFileError, match='has no column \'user\', .*set unnest = "rows", .* such as "rows.user"\\.'
    ):
        found.examine()


def test_a_list_that_an_error_names_is_one_that_can_be_unnested(connection, tmp_path):
    (tmp_path / "log.json").write_text(json.dumps({"rows": EVENTS}))
    columns = {role: f"rows.{name}" for role, name in COLUMNS.items()}
    (found,) = EventLog(path=tmp_path / "log.json", columns=columns, format="json", unnest="rows").files()
    assert [row[1] for row in stage(connection, found).rows] == ["u0", "u1", "u2"]


def test_a_key_that_stands_in_some_records_alone_is_a_column(connection, tmp_path):
    late = [{key: value for key, value in EVENTS[0].items() if key != "user"}, *EVENTS]
    (tmp_path / "log.json").write_text(json.dumps(late))
    assert read(connection, tmp_path / "log.json") == (["u0", "u1", "u2"], ["user_id is missing"])


def test_a_key_with_a_blank_is_named_as_it_is_written(tmp_path):
    (tmp_path / "log.json").write_text(LINES.replace('"user"', '"User "'))
    (found,) = EventLog(path=tmp_path / "log.json", columns=COLUMNS, format="json").files()
    with pytest.raises(SourceFileError, match=r"has no column 'user'; .* It writes 'User '\."):
        found.examine()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (gzip.compress(LINES.encode())[:-20], "a damaged gzip file, or one that was not written to its end"),
        (b"7z\xbc\xaf\x27\x1c\x00\x04", "a 7z archive"),
        (bytes(range(256)) * 4, "not text, but bytes of an unknown kind"),
    ],
    ids=["cut short", "packed", "no text"],
)
def test_a_file_that_is_damaged_or_no_text_costs_the_others_of_its_folder_nothing(
    connection, tmp_path, content, what
):
    (tmp_path / "a.json").write_bytes(content)
    (tmp_path / "b.json").write_text(LINES)
    bad, good = EventLog(path=tmp_path, columns=COLUMNS, format="json").files()
    assert [row[1] for row in stage(connection, good).rows] == ["u0", "u1", "u2"]
    with pytest.raises(SourceFileError, match=rf"a\.json is {what}"):
        bad.examine()
