"""Objects of JSON, however they are put into a file."""

import json

import pytest

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


@pytest.mark.parametrize("first", ['{"user": "a", "item": "}{"', '{"user": "a"} and {"more": 1}', "{}[{}"])
def test_a_first_line_that_is_broken_costs_only_itself(connection, tmp_path, first):
    (tmp_path / "log.json").write_text(first + "\n" + LINES)
    assert read(connection, tmp_path / "log.json") == (["u0", "u1", "u2"], ["line is not JSON"])
