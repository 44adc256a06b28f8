"""A file as it is offered: its size, whether it is as it was seen, whether it goes on where another ended."""

import hashlib
import os
import zipfile

import pytest

from feature_store.intake.offers import ChangedFileError, offer_now
from recsys_adapters.sources.event_log import EventLog

LOG = b"user,item,at\nann,i1,1500000000\nbob,i2,1500000100\n"


def offers(path, **options):
    columns = {"user_id": "user", "item_id": "item", "event_time": "at"}
    return [offer_now(file) for file in EventLog(path=path, columns=columns, **options).files()]


@pytest.fixture
def log(tmp_path):
    (tmp_path / "log.csv").write_bytes(LOG)
    return tmp_path / "log.csv"


def digest(content):
    return hashlib.sha256(content).hexdigest()


def test_a_file_is_known_by_its_bytes_and_has_their_number(log):
    (offer,) = offers(log)
    assert (offer.sha256, offer.size_bytes) == (digest(LOG), len(LOG))


def test_a_file_in_an_archive_is_known_by_the_archive_and_its_place_and_has_no_size(tmp_path):
    with zipfile.ZipFile(tmp_path / "logs.zip", "w") as archive:
        for name in ("a.csv", "b.csv"):
            archive.writestr(name, LOG)
    first, second = offers(tmp_path / "logs.zip")
    assert offer_now(first.file).file is first.file
    assert first.sha256 != second.sha256
    assert first.size_bytes is second.size_bytes is None
    assert not first.goes_on_in_a_line(digest(LOG[:4]), 4)


@pytest.mark.parametrize("num_bytes", [1, 5, 20, len(LOG) - 2])
def test_a_file_goes_on_in_a_line_where_another_ended_within_it(log, num_bytes):
    (offer,) = offers(log)
    assert offer.goes_on_in_a_line(digest(LOG[:num_bytes]), num_bytes)
    assert not offer.goes_on_in_a_line(digest(LOG[: num_bytes + 1]), num_bytes)


@pytest.mark.parametrize(
    "num_bytes", [-1, 0, len(b"user,item,at"), len(b"user,item,at\n"), len(LOG) - 1, len(LOG), len(LOG) + 1]
)
def test_it_does_not_where_a_line_ended_or_nothing_follows(log, num_bytes):
    (offer,) = offers(log)
    assert not offer.goes_on_in_a_line(digest(LOG[: max(num_bytes, 0)]), num_bytes)


def test_a_file_whose_last_line_has_no_end_does_not_go_on_after_itself(log):
    log.write_bytes(LOG[:-1])
    (offer,) = offers(log)
    assert not offer.goes_on_in_a_line(offer.sha256, offer.size_bytes)


def test_of_a_file_that_is_gone_it_is_not_known(log):
    (offer,) = offers(log)
    log.unlink()
    assert not offer.goes_on_in_a_line(digest(LOG[:5]), 5)
    offer.check_unchanged()


def test_a_file_that_grows_is_unchanged_and_one_with_other_bytes_is_not(log):
    (offer,) = offers(log)
    offer.check_unchanged()
    log.write_bytes(LOG + b"cid,i3,1500000200\n")
    offer.check_unchanged()
    log.write_bytes(LOG.replace(b"bob", b"eve"))
    with pytest.raises(
        ChangedFileError, match="log.csv was written anew while it was read, so nothing of it"
    ):
        offer.check_unchanged()


def test_a_file_that_was_only_touched_is_unchanged(log):
    (offer,) = offers(log)
    os.utime(log, (1, 1))
    offer.check_unchanged()
