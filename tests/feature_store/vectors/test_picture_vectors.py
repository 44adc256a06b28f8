"""What an image encoder saw of pictures: by the checksums of their files, exactly as it was."""

import hashlib

import numpy as np
import pytest

from feature_store.vectors.picture_vectors import PictureStore, open_picture_store, picture_id
from feature_store.vectors.reference_store import UnusableVectorsError

WIDTH = 6
ONE, OTHER, THIRD = (hashlib.sha256(name).hexdigest() for name in (b"one", b"other", b"third"))
SEEN = np.random.default_rng(1).normal(scale=30, size=(2, WIDTH)).astype(np.float32)


def open_store(folder, encoder="encoder-a", width=WIDTH) -> PictureStore:
    return open_picture_store(folder, encoder_fingerprint=encoder, width=width)


@pytest.fixture
def store(tmp_path):
    """A store of two pictures, saved."""
    store = open_store(tmp_path)
    store.add([ONE, OTHER], SEEN)
    store.save()
    return store


def test_what_was_seen_is_kept_to_the_last_bit(store, tmp_path):
    again = open_store(tmp_path)
    assert len(again) == 2
    np.testing.assert_array_equal(again.gather([OTHER, ONE, OTHER]), SEEN[[1, 0, 1]])


def test_only_what_was_not_seen_is_missing_each_once_in_order(store):
    assert store.missing([THIRD, ONE, THIRD, OTHER]) == [THIRD]
    assert store.missing([]) == []
    with pytest.raises(KeyError, match="1 texts have no vectors"):
        store.gather([THIRD])


def test_all_others_go_and_stay_gone(store, tmp_path):
    assert store.keep_only([OTHER, THIRD]) == 1
    assert open_store(tmp_path).missing([ONE, OTHER]) == [ONE]
    assert store.keep_only([OTHER]) == 0
    assert store.keep_only([]) == 1


def test_what_another_encoder_saw_is_erased(store, tmp_path):
    assert len(open_store(tmp_path, encoder="encoder-b")) == 0
    assert open_store(tmp_path).missing([ONE]) == [ONE]


def test_what_is_damaged_is_erased(store, tmp_path):
    (segment, *_) = sorted(tmp_path.glob("segment-*.faiss"))
    segment.write_bytes(segment.read_bytes()[:-1])
    assert open_store(tmp_path).missing([ONE, OTHER]) == [ONE, OTHER]


def test_a_picture_of_nothing_is_kept_and_one_that_is_not_finite_is_refused(store):
    store.add([THIRD], np.zeros((1, WIDTH), np.float32))
    np.testing.assert_array_equal(store.gather([THIRD]), np.zeros((1, WIDTH)))
    with pytest.raises(UnusableVectorsError, match="mean_unit_tokens is not finite for 1 texts"):
        store.add([THIRD], np.full((1, WIDTH), np.nan, np.float32))


def test_a_picture_has_one_number_everywhere():
    assert picture_id("00" * 24 + "8000000000000001") == 1
    assert picture_id(ONE) == int(ONE, 16) % 2**63
