"""Files that are taken in together leave what they would have left one after another."""

import random
import shutil

import pytest

from feature_store.intake import file_batches
from feature_store.intake.ledger import read_again
from feature_store.intake.source_files import append_together
from feature_store.lake.lake import Lake
from feature_store.schemas import (
    INGESTED_FILES,
    INTERACTIONS,
    ITEMS,
    REJECTED_ROWS,
    SUPERSEDED_INTERACTIONS,
    SUPERSEDED_ITEMS,
    TARGETS,
)
from feature_store.tables.notes import read_notes
from feature_store.tables.runs import open_run
from feature_store.tables.users import look_up_key
from feature_store.upkeep.checks import check_tables
from feature_store.upkeep.erasure import erase_user
from flows.settings import read_settings
from flows.stages.ingest import ingest_files

COMPARED = (
    INTERACTIONS, SUPERSEDED_INTERACTIONS, ITEMS, SUPERSEDED_ITEMS, REJECTED_ROWS, INGESTED_FILES, TARGETS,
)  # fmt: skip
SETTINGS = """
[[sources]]
adapter = "event_log"
path = "logs"
columns = {user_id = "user", item_id = "item", event_time = "at", event_id = "event", weight = "weight"}
%s
[[sources]]
adapter = "catalogue"
path = "films"
columns = {item_id = "item", title = "title"}
[[sources]]
adapter = "catalogue"
path = "prices"
source = "prices"
columns = {item_id = "item"}
[[sources]]
adapter = "recommendations"
path = "lists"
[targets]
method = "given"
"""
HEADER = "event,user,item,at,weight"
USERS, ITEM_IDS = ("ann", "bob", "cid"), ("i1", "i2", "i3")
BROKEN = ("x1,,i1,1500000000,1", "x2,ann,i1,soon,1", "x3,bob", 'x4,"ann,i1,1500000000,1', "x5,ann,i2,5,1")


class Folder:
    """Random files in a folder: what they say overlaps, and some are not as they should be."""

    def __init__(self, folder, seed):
        self.folder, self.chance = folder, random.Random(seed)
        for name in ("logs", "films", "prices", "lists"):
            (folder / name).mkdir()

    def change(self, night):
        """What a night finds beside what was there, or in its place."""
        for number in range(6):
            self._write(f"logs/{night}-{number}.csv", self._log())
        for number in range(2):
            items = [f"{item},{self.chance.choice('AB')} of {item}" for item in self._some(ITEM_IDS)]
            self._write(f"films/{night}-{number}.csv", ["item,title", *items])
            prices = [f"{item},{self.chance.randint(1, 2)}" for item in self._some((*ITEM_IDS, "i9"))]
            self._write(f"prices/{night}-{number}.csv", ["item,price", *prices])
            lists = [f"{user},{self.chance.choice(ITEM_IDS)},{rank}" for rank, user in enumerate(USERS)]
            self._write(f"lists/{number}.csv", ["user_id,item_id,rank", *lists])
        self._misuse(night)

    def _log(self):
        rows = [self._event() for _ in range(self.chance.randint(0, 6))]
        return [HEADER, *rows, *self.chance.sample(BROKEN, self.chance.choice((0, 0, 1, 2)))]

    def _event(self):
        # The user of an event is mostly the same: a correction that gives it to another one is rare.
        number = self.chance.randint(1, 12)
        user = USERS[number % 3] if self.chance.random() < 0.9 else self.chance.choice(USERS)
        item, weight = self.chance.choice(ITEM_IDS), self.chance.choice((1, 1, 2))
        return f"e{number},{user},{item},{1500000000 + number},{weight}"

    def _some(self, values):
        return self.chance.choices(values, k=self.chance.randint(1, 4))

    def _misuse(self, night):
        """Files that cannot be read, that say nothing, that repeat others, that are written otherwise."""
        logs = self.folder / "logs"
        self._write(f"logs/{night}-2b.csv", ["event,who,item", "1,2,3"])
        (logs / f"{night}-3b.csv").write_bytes(b"\x1f\x8b\x08 cut short")
        (logs / f"{night}-4b.csv").write_bytes(b"")
        self._write(f"logs/{night}-5b.csv", [HEADER])
        shutil.copy(logs / f"{night}-1.csv", logs / f"{night}-1b.csv")
        self._write(f"logs/{night}-2c.csv", ["user,event,at,weight,item", f"ann,t{night},1500000000,1,i1"])
        self._write("logs/bob.csv", [HEADER, f"e2,bob,i{night + 1},1500000002,1"])
        (self.folder / "lists" / "bad.csv").write_bytes(b"\0\0 no list")
        with (logs / "0-0.csv").open("a") as growing:
            growing.write(f"g{night},ann,i1,1500000000,1\n")

    def _write(self, name, lines):
        (self.folder / name).write_text("\n".join([*lines, ""]))


def take_in(lake, settings):
    """What a night takes in: its counts and what it tells, with users' ids for their keys."""
    run = open_run(lake)
    counts = ingest_files(settings, lake, run)
    users = {str(key): user for key, user in users_of(lake).items()}
    return counts, [
        (note.severity, note.source, _named(note.file, users), _named(note.message, users))
        for note in read_notes(lake, run.run_id)
    ]


def users_of(lake):
    """Who stands behind each key."""
    return {row["user_key"]: row["user_id"] for row in lake.query("FROM keyed.users").to_pylist()}


def contents(lake):
    """All rows of the tables, with users' ids for their keys and the files that brought them for times."""
    users = users_of(lake)
    ledger = lake.query("FROM keyed.ingested_files").to_pylist()
    files = {row["ingested_at"]: (row["source"], row["table_name"], row["file"]) for row in ledger}
    told = {str(key): user for key, user in users.items()}
    return {
        table.name: sorted(
            repr(
                sorted(
                    (name, _told(name, value, users, files, told))
                    for name, value in row.items()
                    if name != "run_id"
                )
            )
            for row in lake.query(f"FROM {table.qualified_name}").to_pylist()
        )
        for table in COMPARED
    }


def _told(name, value, users, files, told):
    if name == "user_key":
        return str(users.get(value, value))
    if name in ("ingested_at", "superseded_at"):
        value = files[value]
    return _named(value, told)


def _named(value, users):
    for key, user in users.items():
        value = str(value).replace(key, user)
    return str(value)


class Way:
    """A lake of its own that takes in the files of a folder of its own, at most so many together."""

    def __init__(self, place, empty_lake, seed, most_files):
        self.place, self.most_files, self.num_batches = place, most_files, 0
        self.lake = Lake(shutil.copytree(empty_lake, place / "lake"))
        self.folder = Folder(place, seed)

    def night(self, night, change, monkeypatch):
        """Everything that a night leaves."""

        def append_and_count(*arguments):
            self.num_batches += 1
            return append_together(*arguments)

        monkeypatch.setattr(file_batches, "MOST_FILES", self.most_files)
        monkeypatch.setattr(file_batches, "append_together", append_and_count)
        self.folder.change(night)
        (self.place / "fan.toml").write_text(SETTINGS % change(self.lake))
        counts, notes = take_in(self.lake, read_settings(self.place / "fan.toml"))
        return {"counts": counts, "notes": notes, **contents(self.lake)}


def check_that_both_ways_are_one(empty_lake, tmp_path, monkeypatch, seed, *changes):
    """Run the same nights twice, files one after another and together; compare what each night leaves."""
    alone = Way(tmp_path / "alone", empty_lake, seed, 1)
    together = Way(tmp_path / "together", empty_lake, seed, 512)
    for night, change in enumerate(changes):
        left = alone.night(night, change, monkeypatch)
        found = together.night(night, change, monkeypatch)
        differing = [
            (name, *_differences(left[name], found[name])) for name in left if found[name] != left[name]
        ]
        assert differing == [], str(differing)
    for way in (alone, together):
        assert [finding.promise for finding in check_tables(way.lake) if finding.num_offenders] == []
        way.lake.close()
    assert together.num_batches < alone.num_batches


def _differences(alone, together):
    if isinstance(alone, dict):
        return alone, together
    return [row for row in alone if row not in together], [row for row in together if row not in alone]


def plainly(lake):
    return ""


def otherwise(lake):
    return 'default_kind = "visit"'


def again(lake):
    read_again(lake, ["0-1.csv", "0-5.csv", "0-0.csv"])
    return ""


def without_ann(lake):
    if key := look_up_key(lake, "ann"):
        erase_user(lake, key)
    return ""


@pytest.mark.whole
def test_files_are_taken_in_together_as_one_after_another(empty_lake, tmp_path, monkeypatch):
    check_that_both_ways_are_one(empty_lake, tmp_path, monkeypatch, 0, plainly)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_files_that_grow_come_again_and_are_read_otherwise_too(empty_lake, tmp_path, monkeypatch, seed):
    nights = (plainly, otherwise, again, without_ann)
    check_that_both_ways_are_one(empty_lake, tmp_path, monkeypatch, seed, *nights)
