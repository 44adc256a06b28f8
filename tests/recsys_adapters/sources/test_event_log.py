import gzip
import json
import re
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_adapters.errors import SourceFileError
from recsys_adapters.sources.event_log import EventLog
from recsys_adapters.testing.line_contract import HeaderContract, Utf8Contract, stage

COLUMNS = {"user_id": "customer", "item_id": "product", "event_time": "at"}
KINDS = {"view": 1.0, "purchase": 5.0}
NO_WEIGHT = "weight is missing, or its kind has none in the settings"


class TestCsvLog(HeaderContract):
    header = b"customer,product,at,what,times,no"
    required = b"product"
    file_name = "events.csv"
    broken = {
        b"": "line is empty",
        b"u,i,2024-05-01T10:00:00Z,view,1": "line has 5 columns, expected 6",
        b"u,i,2024-13-01T10:00:00Z,view,1,e": "event_time is missing or is not a time",
        b"u,i,,view,1,e": "event_time is missing or is not a time",
        b"u,i,infinity,view,1,e": "event_time is in the future",
        b"u,i,2024-05-01T10:00:00Z,stare,1,e": NO_WEIGHT,
        b"u,i,2024-05-01T10:00:00Z,,1,e": "kind is missing",
        b"u,i,2024-05-01T10:00:00Z,view,inf,e": "weight is not finite",
        b"u,i,2024-05-01T10:00:00Z,view,many,e": "times is not a number",
        b'u,"i,2024-05-01T10:00:00Z,view,1,e': "stray quote",
        b"u,i\0,2024-05-01T10:00:00Z,view,1,e": "product has a NUL character",
        b"u,\xe9,2024-05-01T10:00:00Z,view,1,e": "not valid UTF-8",
    }

    def record(self, number):
        return f"u{number % 4},i{number},2024-05-01T10:00:{number:02}Z,purchase,{number},e{number}".encode()

    def source_file(self, folder):
        columns = COLUMNS | {"kind": "what", "weight": "times", "event_id": "no"}
        return EventLog(path=folder, columns=columns, time_format="iso8601", kinds=KINDS).files()[0]

    def test_the_weight_is_that_of_the_kind_times_that_of_the_event(self, clean):
        event_time = datetime(2024, 5, 1, 10, 0, 3, tzinfo=UTC)
        assert clean.rows[3][1:] == ("u3", "i3", event_time, "purchase", 15.0, "event_log")

    def test_the_source_s_own_event_id_tells_events_apart(self):
        event, other = b"u,i,2024-05-01T10:00:00Z,view,1,", b"v,j,2024-06-01T10:00:00Z,view,1,"
        staged = self.stage_bytes(self.content([event + b"e1", event + b"e2", other + b"e1", event, event]))
        ids = [row[0] for row in staged.rows]
        assert ids[:3] == ["e1", "e2", "e1"]
        assert ids[3] == ids[4]
        assert re.fullmatch("#[0-9a-f]{32}", ids[3])


class TestJsonLog(Utf8Contract):
    file_name = "events.jsonl"
    broken = {
        b"": "line is empty",
        b"   ": "line is empty",
        b'{"customer": "u", "product": "i", "at": 17145': "line is not JSON",
        b'["u", "i", 1714550400]': "line is not a JSON object",
        b'"u"': "line is not a JSON object",
        b'{"customer": "u", "product": "i"}': "event_time is missing or is not a time",
        b'{"customer": "u", "product": "i", "at": "soon"}': "at is not a number",
        b'{"customer": "u", "product": "i", "at": 1e300}': "event_time is missing or is not a time",
        b'{"customer": null, "product": "i", "at": 1714550400}': "user_id is missing",
        b'{"customer": "u\\u0000", "product": "i", "at": 1714550400}': "customer has a NUL character",
        b'{"customer": "u\xff", "product": "i", "at": 1714550400}': "not valid UTF-8",
        b'{"customer": "u", "product": "i", "at": NaN}': "event_time is missing or is not a time",
    }

    def record(self, number):
        return json.dumps(
            {"customer": f"u{number}", "product": number, "at": 1714550400 + number / 2}
        ).encode()

    def source_file(self, folder):
        return EventLog(path=folder / self.file_name, columns=COLUMNS, format="jsonl").files()[0]

    def test_a_log_without_kinds_and_weights_has_events_of_weight_one(self, clean):
        expected = ("u3", "3", datetime(2024, 5, 1, 8, 0, 1, 500000, tzinfo=UTC), "event", 1.0, "event_log")
        assert clean.rows[3][1:] == expected

    def test_a_key_that_no_line_has_is_an_error(self):
        with pytest.raises(
            SourceFileError, match=r"has no column 'at'; its columns are 'customer', 'product'"
        ):
            self.stage_bytes(b'{"customer": "u", "product": "i"}\n')

    @pytest.mark.parametrize(
        "value", ["[" * 100_000, "[" * 5_000 + "]" * 5_000, r'"\ud800"', "1e999", "{}", "true"]
    )
    def test_a_value_that_json_parsers_choke_on_harms_its_own_line_alone(self, clean, value):
        lines = self.lines()
        lines[0] = f'{{"customer": "u", "product": "i", "at": {value}}}'.encode()
        staged = self.stage_bytes(self.content(lines))
        assert [line for line, _, _ in staged.rejects] == [1]
        assert staged.rows == clean.rows[1:]

    def test_a_line_of_ten_megabytes_is_a_line_like_any_other(self, clean):
        long = json.dumps({"customer": "u", "product": "i99", "at": 1714550400, "text": "x" * 10_000_000})
        staged = self.stage_bytes(self.content([*self.lines(), long.encode()]))
        assert staged.rows[:-1] == clean.rows
        assert staged.rejects == []


def write_parquet(path, **columns):
    pq.write_table(pa.table(columns), path)


def test_a_parquet_log_is_read_by_rows(connection, tmp_path):
    times = [datetime(2024, 5, 1, 10, tzinfo=UTC), None, datetime(2024, 5, 2), datetime(1950, 1, 1)]
    write_parquet(
        tmp_path / "a.parquet", customer=[1, 2, None, 4], product=["i", "j", "k", "l"], at=pa.array(times)
    )
    (file,) = EventLog(path=tmp_path, columns=COLUMNS, format="parquet", time_format="iso8601").files()
    staged = stage(connection, file)
    assert [row[1:4] for row in staged.rows] == [("1", "i", datetime(2024, 5, 1, 10, tzinfo=UTC))]
    assert [(line, reason) for line, reason, _ in staged.rejects] == [
        (2, "event_time is missing or is not a time"),
        (3, "user_id is missing"),
        (4, "event_time is before 1990-01-01, the `earliest`: is it of another unit?"),
    ]
    assert json.loads(staged.rejects[0][2]) == {"customer": "2", "product": "j", "at": None}


def test_a_parquet_log_may_be_without_rows(connection, tmp_path):
    write_parquet(
        tmp_path / "a.parquet",
        customer=pa.array([], pa.string()),
        product=pa.array([], pa.string()),
        at=pa.array([], pa.int64()),
    )
    (tmp_path / "b.parquet").touch()
    for file in EventLog(path=tmp_path, columns=COLUMNS, format="parquet").files():
        assert stage(connection, file) == stage(connection, file)
        assert stage(connection, file).rows == []


def test_a_file_that_is_no_parquet_is_an_error(connection, tmp_path):
    (tmp_path / "a.parquet").write_text("customer,product,at\n")
    (file,) = EventLog(path=tmp_path, columns=COLUMNS, format="parquet").files()
    with pytest.raises(SourceFileError, match=r"a\.parquet is not a Parquet file"):
        file.examine()


@pytest.mark.parametrize(
    ("time_format", "text"),
    [
        ("seconds", "1714557600"),
        ("milliseconds", "1714557600000"),
        ("iso8601", "2024-05-01T12:00:00+02:00"),
        ("iso8601", "2024-05-01 10:00:00"),
        ("%d.%m.%Y %H:%M", "01.05.2024 10:00"),
        ("%d/%b/%Y:%H:%M:%S %z", "01/May/2024:12:00:00 +0200"),
    ],
)
def test_times_are_read_as_they_are_written(connection, tmp_path, time_format, text):
    path = tmp_path / "log.csv"
    path.write_text(f"customer,product,at\nu,i,{text}\nu,i,then\n")
    (file,) = EventLog(path=path, columns=COLUMNS, time_format=time_format).files()
    staged = stage(connection, file)
    assert [row[3] for row in staged.rows] == [datetime(2024, 5, 1, 10, tzinfo=UTC)]
    assert [line for line, _, _ in staged.rejects] == [3]


@pytest.mark.parametrize("time_format", ["milliseconds", "auto", "iso8601"])
@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
def test_times_that_a_spreadsheet_rounded_are_refused(connection, tmp_path, file_format, time_format):
    lines = {
        "csv": "customer,product,at\nu,i,{}\nu,i,1704067200000\n",
        "jsonl": '{{"customer": "u", "product": "i", "at": "{}"}}\n',
    }
    (tmp_path / f"log.{file_format}").write_text(lines[file_format].format("1.70407E+12"))
    source = EventLog(path=tmp_path, columns=COLUMNS, format=file_format, time_format=time_format)
    staged = stage(connection, source.files()[0])
    assert staged.rejects[0][1] == (
        "event_time lost digits: it was rounded when it was written; export it as a text"
    )


@pytest.mark.parametrize(
    ("time_from", "first"),
    [
        ("order", datetime(2000, 1, 1, 0, 0, 2, tzinfo=UTC)),
        ("file", datetime(2024, 5, 1, tzinfo=UTC)),
    ],
)
def test_a_log_without_a_column_of_times_may_have_any_way_of_writing_them(
    connection, tmp_path, time_from, first
):
    (tmp_path / "2024-05-01.csv").write_text("customer,product\nu,i\n")
    columns = {"user_id": "customer", "item_id": "product"}
    source = EventLog(path=tmp_path, columns=columns, time_from=time_from, time_format="auto")
    (file,) = source.files()
    assert file.notes == ()
    assert [row[3] for row in stage(connection, file).rows] == [first]


def test_with_a_decimal_comma_a_point_parts_thousands_or_is_one(connection, tmp_path):
    weights = {
        "4,5": 4.5,
        "4.5": 4.5,
        "1.234": 1234,
        "1.234.567,5": 1234567.5,
        "-0,25": -0.25,
        "12345": 12345,
    }
    (tmp_path / "log.csv").write_text(
        "customer;product;at;times\n" + "".join(f"7,0;11,0;1714557600;{text}\n" for text in weights)
    )
    columns = COLUMNS | {"weight": "times"}
    source = EventLog(path=tmp_path, columns=columns, delimiter=";", decimal=",", identity="none")
    staged = stage(connection, source.files()[0])
    assert [row[1:3] for row in staged.rows] == [("7", "11")] * len(weights)
    assert [row[5] for row in staged.rows] == list(weights.values())


def test_a_number_that_is_one_in_its_file_has_its_own_point_whatever_parts_texts(connection, tmp_path):
    weights = {"4.125": 4.125, '"4,125"': 4.125, '"1.234,5"': 1234.5, "7": 7}
    (tmp_path / "log.jsonl").write_text(
        "".join(f'{{"customer": "u", "product": "i", "at": 1714557600, "times": {w}}}\n' for w in weights)
    )
    columns = COLUMNS | {"weight": "times"}
    source = EventLog(path=tmp_path, columns=columns, format="jsonl", decimal=",", identity="none")
    staged = stage(connection, source.files()[0])
    assert [row[5] for row in staged.rows] == list(weights.values())


@pytest.mark.parametrize(
    ("kinds", "known"),
    [({}, ["1", "4"]), ({"1": 1, "4": 5}, ["1", "4"]), ({"1.0": 1, "4.0": 5}, ["1.0", "4.0"])],
)
def test_kinds_that_became_floats_are_numbers_again(connection, tmp_path, kinds, known):
    at = [1714557600, 1714557601]
    write_parquet(tmp_path / "a.parquet", customer=["u", "v"], product=["i", "j"], at=at, what=[1.0, 4.0])
    source = EventLog(path=tmp_path, columns=COLUMNS | {"kind": "what"}, format="parquet", kinds=kinds)
    staged = stage(connection, source.files()[0])
    assert [(row[4], row[5]) for row in staged.rows] == list(
        zip(known, [1, 5] if kinds else [1, 1], strict=True)
    )


def test_a_folder_is_read_file_by_file_and_a_pattern_picks(tmp_path):
    for name in ("2024/b.csv", "a.csv", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("customer,product,at\n")
    names = [file.name for file in EventLog(path=tmp_path, columns=COLUMNS).files()]
    assert names == ["2024/b.csv", "a.csv"]
    picked = EventLog(path=tmp_path / "2*" / "b*", columns=COLUMNS).files()
    assert [(file.name, file.path) for file in picked] == [("b.csv", tmp_path / "2024" / "b.csv")]
    (tmp_path / "2025").mkdir()
    (tmp_path / "2025" / "b.csv").touch()
    picked = EventLog(path=tmp_path / "**" / "b*", columns=COLUMNS).files()
    assert [file.name for file in picked] == ["2024/b.csv", "2025/b.csv"]


def test_a_folder_without_files_of_the_format_is_an_error(tmp_path):
    with pytest.raises(SourceFileError, match=r"has no files\. Name a file, a pattern, .*\.csv"):
        EventLog(path=tmp_path, columns=COLUMNS).files()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"columns": {"user_id": "u"}}, "event_log: item_id, event_time missing"),
        ({"columns": COLUMNS | {"colour": "c"}}, "event_log: colour unknown"),
        ({"time_format": "minutes"}, "time format 'minutes' is unknown. Write seconds"),
        ({"section": "("}, r"section '\(' is no regular expression: missing \)"),
        ({"format": "xml"}, "file format 'xml' is unknown. Write one of csv, tsv, jsonl"),
        ({"kinds": {"view": float("nan")}}, "kinds: view = nan must be a finite number"),
        ({"at_most": {"nsfw": float("inf")}}, "at_most: nsfw = inf must be a finite number"),
        ({"settle_seconds": float("nan")}, "settle_seconds cannot be below zero, nor without end"),
        ({"settle_seconds": float("inf")}, "settle_seconds cannot be below zero, nor without end"),
    ],
)
def test_settings_that_cannot_work_are_errors(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        EventLog(**({"path": tmp_path, "columns": COLUMNS} | wrong))


def test_the_mark_of_utf_8_counts_more_than_the_settings_encoding(connection, tmp_path):
    (tmp_path / "log.csv").write_bytes("\ufeffuser,item,at\nJosé,i1,1714557600\n".encode())
    columns = {"user_id": "user", "item_id": "item", "event_time": "at"}
    (log,) = EventLog(path=tmp_path / "log.csv", columns=columns, encoding="latin-1").files()
    assert [row[1] for row in stage(connection, log).rows] == ["José"]


@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
def test_letters_of_utf_8_that_are_read_in_another_encoding_are_told(tmp_path, file_format):
    lines = {
        "csv": "user,item,at\n{},i1,1500000000\n",
        "jsonl": '{{"user":"{}","item":"i1","at":1500000000}}\n',
    }
    file = tmp_path / f"log.{file_format}"

    def notes(name, encoding, written="utf-8"):
        file.write_bytes(lines[file_format].format(name).encode(written))
        columns = {"user_id": "user", "item_id": "item", "event_time": "at"}
        (found,) = EventLog(path=file, format=file_format, encoding=encoding, columns=columns).files()
        return found.notes

    told = f'{file.name} looks like UTF-8, but is read as encoding = "latin-1": see its letters'
    assert notes("josé", "latin-1") == (told,)
    assert notes("jose", "latin-1") == ()
    assert notes("josé", "latin-1", written="latin-1") == ()
    assert notes("josé", "utf-8") == ()


def test_a_damaged_file_costs_the_others_nothing_where_times_are_looked_at_first(connection, tmp_path):
    events = b"customer,product,at\n" + b"u,i,1500000000\n" * 100
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(events)[:-9])
    (tmp_path / "b.csv").write_bytes(events)
    bad, good = EventLog(path=tmp_path, columns=COLUMNS, time_format="auto").files()
    assert len(stage(connection, good).rows) == 100
    with pytest.raises(SourceFileError, match=r"a\.csv\.gz is a damaged gzip file"):
        bad.examine()


@pytest.mark.parametrize(
    ("keys", "basket"),
    [
        ({"format": "json"}, "[]"),
        ({"format": "json"}, "[ ]"),
        ({"format": "json", "separator": "|"}, '" | "'),
    ],
)
def test_an_empty_list_is_refused_as_one(connection, tmp_path, keys, basket):
    (tmp_path / "log.json").write_text(f'{{"customer": "ann", "basket": {basket}, "at": 1500000000}}\n')
    columns = {**COLUMNS, "item_id": "basket"}
    (file,) = EventLog(path=tmp_path, columns=columns, unnest="basket", **keys).files()
    assert [reason for _, reason, _ in stage(connection, file).rejects] == ["basket is an empty list"]


def test_a_list_that_is_missing_is_not_called_empty(connection, tmp_path):
    baskets = ["", '"basket": null, ', '"basket": [{}], ']
    lines = [f'{{"customer": "ann", {basket}"at": 1500000000}}\n' for basket in baskets]
    (tmp_path / "log.json").write_text("".join(lines))
    columns = {**COLUMNS, "item_id": "basket.id"}
    (file,) = EventLog(path=tmp_path, columns=columns, unnest="basket", format="json").files()
    assert {reason for _, reason, _ in stage(connection, file).rejects} == {"item_id is missing"}
