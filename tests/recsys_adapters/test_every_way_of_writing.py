"""A log in every way that files come in: each event is read as it was, or refused with a reason."""

import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_store.schemas import INTERACTIONS
from recsys_adapters.sources.event_log import EventLog
from recsys_adapters.testing.line_contract import shared_connection, stage

PROPERTY = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
PLACES = [INTERACTIONS.staged.index(name) for name in ("user_id", "item_id", "event_time")]
COLUMNS = {"user_id": "who", "item_id": "what", "event_time": "when"}


def zipped(content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("log.txt", content)
    return buffer.getvalue()


PACKERS = {
    "": lambda content: content,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zip": zipped,
}
# An id begins and ends with a letter: it is no number, no word for nothing, and has no blank at its ends.
inner = st.text(
    st.characters(
        codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\ufeff\x85"
    ),
    max_size=8,
)
ids = st.builds(lambda text: f"i{text}x", inner)
times = st.integers(946684800, 1700000000)
events = st.lists(st.tuples(ids, ids, times), min_size=1, max_size=6, unique_by=lambda event: event)
broken = st.sampled_from(
    [("", "i1", "1500000000"), ("u1", "", "1500000000"), ("u1", "i1", "soon"), ("u1", "i1", "-5")]
)


@dataclass(frozen=True)
class Dialect:
    """How a delimited file is written."""

    delimiter: str
    quoting: int
    line_end: str
    mark: str
    packer: str
    encoding: str
    order: tuple[str, ...]


dialects = st.builds(
    Dialect,
    delimiter=st.sampled_from([",", ";", "\t", "|", ":"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    mark=st.sampled_from(["", "\ufeff"]),
    packer=st.sampled_from([*PACKERS]),
    encoding=st.sampled_from(["utf-8", "utf-16"]),
    order=st.permutations(["who", "what", "when", "page"]).map(tuple),
)


def write_delimited(folder, rows, dialect):
    """Rows of user, item and time as texts, beside a column that nobody asked for."""
    buffer = io.StringIO()
    writer = csv.writer(
        buffer, delimiter=dialect.delimiter, quoting=dialect.quoting, lineterminator=dialect.line_end
    )
    writer.writerow(dialect.order)
    for who, what, when in rows:
        told = {"who": who, "what": what, "when": when, "page": 'a "page", or two; | \\ '}
        writer.writerow([told[name] for name in dialect.order])
    mark = dialect.mark if dialect.encoding == "utf-8" else ""
    content = (mark + buffer.getvalue()).encode(dialect.encoding)
    (folder / f"log.csv{dialect.packer}").write_bytes(PACKERS[dialect.packer](content))


def read(folder, columns=COLUMNS, **how):
    """What is accepted, as user, item and seconds, and the reasons of what is refused."""
    accepted, refused = [], []
    for file in EventLog(path=folder, columns=columns, **how).files():
        staged = stage(shared_connection(), file)
        rows = [[row[place] for place in PLACES] for row in staged.rows]
        accepted += [(user, item, int(time.timestamp())) for user, item, time in rows]
        refused += [reason for _, reason, _ in staged.rejects]
    return sorted(accepted), refused


def fresh(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("log")


@given(rows=events, dialect=dialects)
@PROPERTY
def test_a_delimited_log_is_read_as_it_was_written(tmp_path_factory, rows, dialect):
    folder = fresh(tmp_path_factory)
    write_delimited(folder, rows, dialect)
    how = {"delimiter": dialect.delimiter, "encoding": dialect.encoding}
    assert read(folder, **how) == (sorted(rows), [])


@given(rows=events, bad=st.lists(broken, max_size=3), dialect=dialects, data=st.data())
@PROPERTY
def test_every_record_is_accepted_or_refused_with_a_reason(tmp_path_factory, rows, bad, dialect, data):
    folder = fresh(tmp_path_factory)
    written = data.draw(st.permutations([*rows, *bad]))
    write_delimited(folder, written, dialect)
    accepted, refused = read(folder, delimiter=dialect.delimiter, encoding=dialect.encoding)
    assert accepted == sorted(rows)
    assert len(refused) == len(bad)
    assert all(refused)


@given(
    rows=events,
    shape=st.sampled_from(["lines", "array", "indented"]),
    packer=st.sampled_from([*PACKERS]),
    nested=st.booleans(),
    escaped=st.booleans(),
)
@PROPERTY
def test_a_log_of_json_is_read_as_it_was_written(tmp_path_factory, rows, shape, packer, nested, escaped):
    folder = fresh(tmp_path_factory)
    records = [
        {"event": {"who": who, "what": what}, "when": when}
        if nested
        else {"when": when, "who": who, "what": what, "more": [1, {"x": None}]}
        for who, what, when in rows
    ]
    indent = 2 if shape == "indented" else None
    if shape == "lines":
        text = "".join(json.dumps(record, ensure_ascii=escaped) + "\n" for record in records)
    else:
        text = json.dumps(records, ensure_ascii=escaped, indent=indent)
    (folder / f"log.json{packer}").write_bytes(PACKERS[packer](text.encode()))
    columns = {"user_id": "event.who", "item_id": "event.what", "event_time": "when"} if nested else COLUMNS
    assert read(folder, columns, format="json") == (sorted(rows), [])


@given(
    rows=events,
    kind=st.sampled_from(
        [pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string())]
    ),
    time=st.sampled_from([pa.int64(), pa.timestamp("ms"), pa.timestamp("us", "UTC"), pa.timestamp("ns")]),
    codec=st.sampled_from(["NONE", "SNAPPY", "ZSTD", "GZIP"]),
)
@PROPERTY
def test_a_parquet_log_is_read_as_it_was_written(tmp_path_factory, rows, kind, time, codec):
    folder = fresh(tmp_path_factory)
    plain = pa.string() if pa.types.is_dictionary(kind) else kind
    users, items, seconds = (list(column) for column in zip(*rows, strict=True))
    if plain == pa.binary():
        users, items = ([text.encode() for text in column] for column in (users, items))
    if pa.types.is_timestamp(time):
        seconds = [datetime.fromtimestamp(when, UTC).replace(tzinfo=None) for when in seconds]
    table = pa.table(
        {
            "who": pa.array(users, plain).cast(kind),
            "what": pa.array(items, plain).cast(kind),
            "when": pa.array(seconds, time),
        }
    )
    pq.write_table(table, folder / "log.parquet", compression=codec)
    assert read(folder, format="parquet") == (sorted(rows), [])
