"""Which of the files that are offered are known: as the ledger says, and what was refused of them."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from feature_store.intake.known_files import Known, all_entries, find_known, with_awaited, with_earlier
from feature_store.intake.ledger import LEDGER
from feature_store.intake.offers import Entry, FileState, Offer
from feature_store.schemas import IN_THE_FUTURE, NO_ITEM, REJECTED_ROWS

NOW = datetime.now(UTC)
LOG, CATALOGUE = "interactions", "items"


@dataclass(frozen=True)
class AdaptersFile:
    """A file as an adapter offers it, of whose bytes nothing is asked."""

    table: str = LOG
    source: str = "shop"
    name: str = "a.csv"
    reading: str = "as now"
    is_supplement: bool = False
    member: str | None = None
    path: Path = Path("nowhere")


def offered(sha256="aa", **file):
    return Offer(AdaptersFile(**file), sha256, FileState(100, 0, 0))


def ago(hours):
    return NOW - timedelta(hours=hours)


def insert(lake, table, **values):
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    lake.write(
        lambda connection: connection.execute(
            f"INSERT INTO {table} ({names}) VALUES ({marks})", [*values.values()]
        ),
        "fill",
    )


def take_in(lake, hours=48, **values):
    """Enter a file into the ledger that was taken in some hours ago."""
    usual = {"source": "shop", "file": "a.csv", "table_name": LOG, "sha256": "aa", "reading": "as now"}
    counts = {"rows_read": 2, "accepted": 2, "duplicate": 0, "rejected": 0}
    insert(lake, LEDGER, **(usual | counts | {"ingested_at": ago(hours), "run_id": "r"} | values))


def refuse(lake, hours=48, reason=IN_THE_FUTURE, **values):
    """Keep a record that was refused some hours ago."""
    usual = {"source": "shop", "file": "a.csv", "sha256": "aa", "reason": reason}
    insert(
        lake, REJECTED_ROWS.qualified_name, **(usual | {"ingested_at": ago(hours), "run_id": "r"} | values)
    )


def bring_item(lake, hours):
    """Let a catalogue have brought an item some hours ago."""
    usual = {"item_id": "i1", "title": "One", "fields": "{}", "source": "other"}
    insert(lake, "items", **usual, ingested_at=ago(hours), run_id="r")


def is_known(lake, **file):
    return 0 in find_known(lake, [offered(**file)])


def test_nothing_is_known_of_nothing(lake):
    assert find_known(lake, []) == {}
    assert with_awaited(lake, []) == with_earlier(lake, [], []) == []


def test_a_file_is_known_by_its_source_its_table_its_content_and_how_it_is_read(lake):
    take_in(lake)
    assert is_known(lake)
    assert is_known(lake, name="b.csv")
    for other in ({"source": "till"}, {"table": "targets"}, {"sha256": "bb"}, {"reading": "otherwise"}):
        assert not is_known(lake, **other)


def test_known_files_are_told_by_their_places(lake):
    take_in(lake, sha256="aa")
    take_in(lake, sha256="cc", rejected=2, accepted=0)
    offers = [offered("bb"), offered("aa"), offered("cc"), offered("dd")]
    assert find_known(lake, offers) == {1: Known(is_all_refused=False), 2: Known(is_all_refused=True)}


def test_other_readings_of_a_content_leave_it_known(lake):
    take_in(lake, hours=50)
    take_in(lake, hours=40, reading="otherwise")
    take_in(lake, hours=60, reading="otherwise still")
    assert is_known(lake)
    assert is_known(lake, reading="otherwise still")


class TestRecordsThatWereInTheFuture:
    """A log with such records is read again a day later, then after twice as long each time."""

    @pytest.mark.parametrize(("hours", "known"), [(1, True), (23, True), (25, False), (240, False)])
    def test_are_looked_at_again_a_day_later(self, lake, hours, known):
        take_in(lake, hours)
        refuse(lake, hours)
        assert is_known(lake) == known

    @pytest.mark.parametrize(
        "other",
        [
            {"reason": NO_ITEM},
            {"source": "till"},
            {"sha256": "bb"},
            {"hours": 90},
            {"hours": 30},
        ],
    )
    def test_are_those_of_this_very_reading(self, lake, other):
        take_in(lake, 48)
        refuse(lake, **other)
        assert is_known(lake)
        refuse(lake, 48)
        assert not is_known(lake)

    @pytest.mark.parametrize(("hours", "known"), [(95, True), (119, True), (121, False)])
    def test_wait_as_long_again_as_they_have_waited(self, lake, hours, known):
        take_in(lake, 240)
        refuse(lake, 240)
        take_in(lake, hours)
        refuse(lake, hours)
        assert is_known(lake) == known

    @pytest.mark.parametrize("other", [{"source": "till"}, {"sha256": "bb"}])
    def test_wait_no_longer_for_what_others_waited(self, lake, other):
        take_in(lake, 1000, **other)
        take_in(lake, 48)
        refuse(lake, 48)
        assert not is_known(lake)

    def test_count_as_they_did_when_they_were_last_looked_at(self, lake):
        take_in(lake, 100)
        refuse(lake, 100)
        take_in(lake, 48)
        assert is_known(lake)

    def test_of_a_catalogue_are_nothing(self, lake):
        take_in(lake, table_name=CATALOGUE)
        refuse(lake)
        assert is_known(lake, table=CATALOGUE)


class TestTheLastDeliveryOfACatalogue:
    """Of a catalogue the last delivery counts: what another one of its name followed is read again."""

    @pytest.fixture(autouse=True)
    def _taken_in(self, lake):
        take_in(lake, table_name=CATALOGUE)

    def test_is_known_by_its_content(self, lake):
        assert is_known(lake, table=CATALOGUE)

    def test_makes_the_one_before_unknown(self, lake):
        take_in(lake, 24, table_name=CATALOGUE, sha256="bb")
        assert not is_known(lake, table=CATALOGUE)
        assert is_known(lake, table=CATALOGUE, sha256="bb")

    @pytest.mark.parametrize(
        "other", [{"source": "till"}, {"file": "b.csv"}, {"table_name": LOG}, {"hours": 60}]
    )
    def test_is_that_of_the_same_source_and_name_and_later(self, lake, other):
        take_in(lake, **({"hours": 24, "table_name": CATALOGUE, "sha256": "bb"} | other))
        assert is_known(lake, table=CATALOGUE)

    def test_goes_by_its_name(self, lake):
        assert not is_known(lake, table=CATALOGUE, name="b.csv")

    def test_goes_by_its_content_where_its_name_is_a_key(self, lake):
        take_in(lake, 24, table_name=CATALOGUE, sha256="bb", user_key=7)
        assert is_known(lake, table=CATALOGUE, sha256="bb", name="b.csv")

    def test_of_a_log_is_nothing(self, lake):
        take_in(lake, 40)
        take_in(lake, 24, sha256="bb")
        assert is_known(lake)


class TestRecordsWhoseItemsMayHaveCome:
    """A catalogue with records that waited for items is read again once there are new ones."""

    @pytest.fixture(autouse=True)
    def _taken_in(self, lake):
        take_in(lake, table_name=CATALOGUE)

    def awaits(self, lake, **file):
        (marked,) = with_awaited(lake, [offered(table=CATALOGUE, is_supplement=True, **file)])
        assert marked.is_awaited != is_known(lake, table=CATALOGUE, **file)
        return marked.is_awaited

    def test_are_looked_at_again_after_items_came(self, lake):
        refuse(lake, reason=NO_ITEM)
        bring_item(lake, 60)
        assert not self.awaits(lake)
        bring_item(lake, 48)
        assert not self.awaits(lake)
        bring_item(lake, 47)
        assert self.awaits(lake)

    def test_are_no_records_where_none_was_refused(self, lake):
        bring_item(lake, 24)
        assert not self.awaits(lake)

    @pytest.mark.parametrize("other", [{"reason": IN_THE_FUTURE}, {"source": "till"}, {"sha256": "bb"}])
    def test_are_those_of_this_content_that_waited(self, lake, other):
        bring_item(lake, 24)
        refuse(lake, **({"reason": NO_ITEM} | other))
        assert not self.awaits(lake)

    def test_are_not_awaited_alone_where_all_is_unknown(self, lake):
        bring_item(lake, 24)
        refuse(lake, reason=NO_ITEM)
        for unknown in ({"reading": "otherwise"}, {"name": "b.csv"}):
            (marked,) = with_awaited(lake, [offered(table=CATALOGUE, is_supplement=True, **unknown)])
            assert not marked.is_awaited

    def test_are_of_catalogues_alone_that_others_items_are_in(self, lake):
        bring_item(lake, 24)
        refuse(lake, reason=NO_ITEM)
        other, supplement = offered(table=CATALOGUE), offered(table=CATALOGUE, is_supplement=True)
        assert with_awaited(lake, [other]) == [other]
        assert [one.is_awaited for one in with_awaited(lake, [supplement, offered("bb")])] == [True, False]


class TestAFileOfWhichNothingWasTakenIn:
    def is_all_refused(self, lake):
        (known,) = find_known(lake, [offered()]).values()
        return known.is_all_refused

    @pytest.mark.parametrize(
        ("counts", "is_all_refused"),
        [
            ({"rows_read": 2, "rejected": 2}, True),
            ({"rows_read": 2, "rejected": 1}, False),
            ({"rows_read": 0, "rejected": 0}, False),
            ({"rows_read": 2, "rejected": 0}, False),
        ],
    )
    def test_is_one_with_records_all_of_which_were_refused(self, lake, counts, is_all_refused):
        take_in(lake, **counts)
        assert self.is_all_refused(lake) == is_all_refused

    def test_goes_by_all_times_that_it_was_read_so(self, lake):
        take_in(lake, 60, rejected=1)
        take_in(lake, 40, rejected=2)
        assert not self.is_all_refused(lake)

    def test_may_have_been_refused_in_parts(self, lake):
        take_in(lake, 60, rejected=2)
        take_in(lake, 40, rows_read=1, rejected=1)
        assert self.is_all_refused(lake)

    @pytest.mark.parametrize(
        "other", [{"source": "till"}, {"table_name": CATALOGUE}, {"sha256": "bb"}, {"reading": "otherwise"}]
    )
    def test_goes_by_no_others(self, lake, other):
        take_in(lake, 60, **other)
        take_in(lake, 40, rejected=2)
        assert self.is_all_refused(lake)


class TestWhatANewReadingReplaces:
    def earlier(self, lake, *offering, **file):
        (one,) = with_earlier(lake, [offered(**file)], offering)
        return [(entry.source, entry.sha256, entry.ingested_at) for entry in one.earlier]

    def test_is_every_reading_of_its_content_in_the_order_of_time(self, lake):
        take_in(lake, 48, reading="before")
        take_in(lake, 60, reading="long before", source="till")
        assert self.earlier(lake) == [("till", "aa", ago(60)), ("shop", "aa", ago(48))]

    def test_is_not_what_was_read_as_it_is_now(self, lake):
        take_in(lake, 48)
        assert self.earlier(lake) == []

    @pytest.mark.parametrize("other", [{"sha256": "bb"}, {"table_name": CATALOGUE}, {"reading": ""}])
    def test_is_nothing_of_other_contents_or_tables_or_of_what_was_replaced(self, lake, other):
        take_in(lake, 48, **({"reading": "before", "file": "b.csv"} | other))
        assert self.earlier(lake) == []

    def test_is_nothing_that_another_file_of_the_night_is(self, lake):
        take_in(lake, 48, reading="before")
        take_in(lake, 40, source="till", reading="there")
        assert self.earlier(lake, ("shop", "aa", "before")) == [("till", "aa", ago(40))]
        assert self.earlier(lake, ("till", "aa", "anyhow")) == [("shop", "aa", ago(48))]
        assert len(self.earlier(lake, ("shop", "aa", "as now"))) == 2
        assert len(self.earlier(lake, ("shop", "bb", "before"), ("till", "bb", "there"))) == 2

    def test_belongs_to_the_file_that_is_offered(self, lake):
        take_in(lake, 48, sha256="bb", reading="before")
        first, second = with_earlier(lake, [offered("aa"), offered("bb")], [])
        assert first.earlier == ()
        assert second.earlier == (Entry("shop", "bb", ago(48)),)


class TestAFileThatGrewInTheMiddleOfALine:
    begin, whole = b"user,item\nann,i1\nbo", b"user,item\nann,i1\nbob,i2\n"

    def earlier(self, lake, folder):
        """What a reading of the whole file replaces."""
        file = folder / "a.csv"
        file.write_bytes(self.whole)
        seen = FileState(len(self.whole), 0, 0)
        offers = [offered("bb"), Offer(AdaptersFile(path=file), digest(self.whole), seen)]
        first, second = with_earlier(lake, offers, [])
        assert first.earlier == ()
        return [(entry.source, entry.sha256, entry.ingested_at) for entry in second.earlier]

    def begun(self, lake, hours=48, **values):
        take_in(lake, hours, **({"sha256": digest(self.begin), "size_bytes": len(self.begin)} | values))

    def test_replaces_what_was_read_of_its_begin(self, lake, tmp_path):
        self.begun(lake, 40)
        self.begun(lake, 48)
        assert self.earlier(lake, tmp_path) == [
            ("shop", digest(self.begin), ago(hours)) for hours in (48, 40)
        ]

    @pytest.mark.parametrize(
        "other",
        [
            {"source": "till"},
            {"table_name": CATALOGUE},
            {"file": "b.csv"},
            {"reading": ""},
            {"size_bytes": None},
            {"size_bytes": 4},
            {"sha256": "bb"},
        ],
    )
    def test_replaces_nothing_of_others(self, lake, tmp_path, other):
        self.begun(lake, **other)
        assert self.earlier(lake, tmp_path) == []

    def test_replaces_nothing_that_ended_with_a_line(self, lake, tmp_path):
        lines = self.whole[: self.whole.index(b"bob")]
        self.begun(lake, sha256=digest(lines), size_bytes=len(lines))
        assert self.earlier(lake, tmp_path) == []

    def test_is_known_as_a_whole_where_it_was_read_so_before(self, lake, tmp_path):
        self.begun(lake)
        take_in(lake, 24, sha256=digest(self.whole), size_bytes=len(self.whole))
        assert self.earlier(lake, tmp_path) == [("shop", digest(self.begin), ago(48))]


def test_all_entries_of_sources_are_those_whose_rows_count_in_the_order_of_time(lake):
    take_in(lake, 48)
    take_in(lake, 60, source="till", sha256="bb")
    for other in ({"source": "web"}, {"table_name": CATALOGUE}, {"reading": ""}):
        take_in(lake, 50, **other)
    entries = (Entry("till", "bb", ago(60)), Entry("shop", "aa", ago(48)))
    assert all_entries(lake, LOG, {"shop", "till"}) == entries
    assert all_entries(lake, LOG, ["shop"]) == entries[1:]
    assert all_entries(lake, LOG, []) == ()


def digest(content):
    return hashlib.sha256(content).hexdigest()
