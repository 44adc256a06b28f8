"""A reference store that machines share: segments first, the manifest last, each fetched once."""

import numpy as np
import pytest

from feature_store.lake.stored_files import FolderFiles
from feature_store.vectors.reference_store import ReferenceStore, StoredVectors, erase_store, open_as_it_is
from feature_store.vectors.segment_copies import MissingSegmentError, SegmentCopies

WIDTH = 8


@pytest.fixture
def copies(tmp_path):
    return SegmentCopies(FolderFiles(tmp_path / "shared"))


def open_on(machine, copies):
    return ReferenceStore(machine, encoder_fingerprint="e", width=WIDTH, copies=copies)


def add(store, *ids):
    vectors = np.random.default_rng(ids[0]).normal(size=(len(ids), WIDTH)).astype(np.float32)
    store.add(np.array(ids), StoredVectors(vectors, vectors))
    store.save()


def names(copies):
    return sorted(copies.files.list("references"))


def test_what_one_machine_saves_another_has_with_the_same_bytes(copies, tmp_path):
    add(open_on(tmp_path / "one", copies), 1, 2)
    store = open_on(tmp_path / "two", copies)
    assert store.ids().tolist() == [1, 2]
    for path in (tmp_path / "one").glob("segment-*.faiss"):
        assert (tmp_path / "two" / path.name).read_bytes() == path.read_bytes()


def test_a_machine_fetches_a_segment_once(copies, tmp_path, monkeypatch):
    add(open_on(tmp_path / "one", copies), 1)
    open_on(tmp_path / "two", copies)
    read = []
    monkeypatch.setattr(FolderFiles, "read", lambda files, path: read.append(path) or manifest)
    manifest = (tmp_path / "one" / "manifest.json").read_bytes()
    assert open_on(tmp_path / "two", copies).ids().tolist() == [1]
    assert read == ["references/manifest.json"]


def test_a_save_that_stops_before_the_manifest_leaves_the_store_of_before(copies, tmp_path, monkeypatch):
    store = open_on(tmp_path / "one", copies)
    add(store, 1)
    write = FolderFiles.write

    def stop(files, path, content):
        if path.endswith("manifest.json"):
            raise ConnectionError("stop")
        write(files, path, content)

    monkeypatch.setattr(FolderFiles, "write", stop)
    with pytest.raises(ConnectionError, match="stop"):
        add(store, 2)
    assert open_on(tmp_path / "two", copies).ids().tolist() == [1]
    monkeypatch.undo()
    again = open_on(tmp_path / "one", copies)
    assert again.ids().tolist() == [1]
    add(again, 2)
    assert open_on(tmp_path / "two", copies).ids().tolist() == [1, 2]


def test_removed_texts_are_in_no_copy_any_more(copies, tmp_path):
    store = open_on(tmp_path / "one", copies)
    add(store, 1, 2)
    before = names(copies)
    store.remove([1])
    store.save()
    assert set(names(copies)) & set(before) == {"references/manifest.json"}
    assert open_as_it_is(tmp_path / "two", copies).ids().tolist() == [2]


def test_an_erased_store_is_empty_for_every_machine(copies, tmp_path):
    add(open_on(tmp_path / "one", copies), 1)
    open_on(tmp_path / "two", copies)
    erase_store(tmp_path / "one", copies)
    assert names(copies) == []
    assert open_as_it_is(tmp_path / "two", copies) is None


def test_a_segment_that_is_missing_is_named_with_what_to_run(copies, tmp_path):
    add(open_on(tmp_path / "one", copies), 1)
    copies.files.delete([name for name in names(copies) if name.endswith(".faiss")])
    with pytest.raises(MissingSegmentError, match=r"references/segment-.*faiss is missing: run `fan embed"):
        open_on(tmp_path / "two", copies)
