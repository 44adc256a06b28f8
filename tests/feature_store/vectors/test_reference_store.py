"""Two vectors per text by stable id: what goes in comes out, whatever was added, replaced and removed."""

import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.vectors import reference_store
from feature_store.vectors.reference_store import (
    ReferenceStore,
    ReferenceStoreError,
    StoredVectors,
    erase_store,
    read_manifest,
)

WIDTH = 8


@pytest.fixture(autouse=True)
def _small_segments(monkeypatch):
    monkeypatch.setattr(reference_store, "SEGMENT_TEXTS", 5)


def open_store(folder, **options):
    return ReferenceStore(folder, **({"encoder_fingerprint": "encoder-a", "width": WIDTH} | options))


def vectors_of(ids, salt=0):
    """Vectors that tell their id."""
    rows = [np.random.default_rng([int(number), salt]).normal(size=(2, WIDTH)) for number in ids]
    both = np.array(rows, np.float32).reshape(len(ids), 2, WIDTH)
    return StoredVectors(both[:, 0], both[:, 1])


def assert_holds(store, salts):
    ids = list(salts)
    assert len(store) == len(ids)
    assert store.ids().tolist() == sorted(ids)
    if not ids:
        return
    stored = store.gather(ids)
    for place, (number, salt) in enumerate(salts.items()):
        expected = vectors_of([number], salt)
        np.testing.assert_array_equal(stored.mean_unit_tokens[place], expected.mean_unit_tokens[0])
        np.testing.assert_array_equal(stored.unit_mean_tokens[place], expected.unit_mean_tokens[0])


steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "remove", "save", "reopen"]),
        st.lists(st.integers(0, 20), max_size=9, unique=True),
    ),
    max_size=8,
)


@settings(max_examples=40, deadline=None)
@given(steps=steps)
def test_the_store_holds_what_a_dictionary_would(steps, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    store, held, saved = open_store(folder), {}, {}
    for salt, (step, ids) in enumerate(steps):
        if step == "add":
            store.add(ids, vectors_of(ids, salt))
            held |= dict.fromkeys(ids, salt)
        elif step == "remove":
            assert store.remove(ids) == len(held.keys() & set(ids))
            held = {number: salt for number, salt in held.items() if number not in ids}
        elif step == "save":
            store.save()
            saved = dict(held)
        else:
            store, held = open_store(folder), dict(saved)
        assert_holds(store, held)
        assert store.missing(range(21)).tolist() == [number for number in range(21) if number not in held]


def test_saving_again_writes_only_what_is_new(tmp_path):
    store = open_store(tmp_path)
    store.add(range(7), vectors_of(range(7)))
    store.save()
    full = {path.name for path in tmp_path.glob("*.faiss")}
    store.add(range(7, 10), vectors_of(range(7, 10)))
    store.save()
    kept = full & {path.name for path in tmp_path.glob("*.faiss")}
    # The full segment stays as it is; the one that was begun is filled up, under another name.
    assert len(full) == 4
    assert len(kept) == 2
    assert_holds(open_store(tmp_path), dict.fromkeys(range(10), 0))


def test_search_finds_what_comparing_with_every_text_finds(tmp_path):
    store = open_store(tmp_path)
    store.add(range(23), vectors_of(range(23)))
    queries = vectors_of([100, 101]).mean_unit_tokens
    similarities, ids = store.search(queries, 4)
    every = queries @ store.gather(range(23)).mean_unit_tokens.T
    np.testing.assert_array_equal(ids, np.argsort(-every, axis=1)[:, :4])
    np.testing.assert_allclose(similarities, -np.sort(-every, axis=1)[:, :4], rtol=1e-5)


def test_search_among_some_texts_finds_those_only_and_leaves_places_empty_beyond_them(tmp_path):
    store = open_store(tmp_path)
    store.add(range(23), vectors_of(range(23)))
    similarities, ids = store.search(vectors_of([100]).mean_unit_tokens, 4, among=np.array([3, 21]))
    assert set(ids[0]) == {3, 21, -1}
    assert np.isneginf(similarities[0, 2:]).all()


def test_half_precision_halves_the_files_and_keeps_the_cosines(tmp_path):
    ids = range(5)
    for name in ("float32", "float16"):
        store = open_store(tmp_path / name, precision=name)
        store.add(ids, vectors_of(ids))
        store.save()
    whole, half = open_store(tmp_path / "float32"), open_store(tmp_path / "float16", precision="float16")
    np.testing.assert_allclose(
        half.gather(ids).mean_unit_tokens, whole.gather(ids).mean_unit_tokens, rtol=1e-3, atol=1e-3
    )
    assert code_bytes(whole) == 2 * code_bytes(half)


def code_bytes(store):
    return sum(index.sa_code_size() * index.ntotal for index in store._segments[0].indexes.values())


def test_vectors_are_mapped_from_their_file_and_not_copied_into_memory(tmp_path):
    store = open_store(tmp_path, width=512)
    store.add(range(5), StoredVectors(*np.random.default_rng(0).normal(size=(2, 5, 512)).astype(np.float32)))
    store.save()
    reopened = open_store(tmp_path, width=512)
    with open("/proc/self/maps") as maps:
        mapped = {os.path.basename(line.split()[-1]) for line in maps if ".faiss" in line}
    assert len(reopened) == 5
    assert {path.name for path in tmp_path.glob("*.faiss")} <= mapped


def test_what_was_not_saved_is_not_there_after_a_crash_and_leaves_nothing_after_the_next_save(tmp_path):
    store = open_store(tmp_path)
    store.add(range(3), vectors_of(range(3)))
    store.save()
    crashed = open_store(tmp_path)
    crashed.remove([0])
    crashed.add(range(10, 22), vectors_of(range(10, 22)))
    after = open_store(tmp_path)
    assert_holds(after, dict.fromkeys(range(3), 0))
    after.add([7], vectors_of([7]))
    after.save()
    named = {path for path in tmp_path.glob("*.faiss")}
    assert len(named) == 2 * len(read_manifest(tmp_path).segments)


def test_a_damaged_file_is_refused_with_the_remedy(tmp_path):
    store = open_store(tmp_path)
    store.add(range(3), vectors_of(range(3)))
    store.save()
    file = next(tmp_path.glob("*.faiss"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ReferenceStoreError, match=r"missing or damaged .* run `fan embed --rebuild`"):
        open_store(tmp_path)
    file.unlink()
    with pytest.raises(ReferenceStoreError, match="missing or damaged"):
        open_store(tmp_path)
    erase_store(tmp_path)
    assert len(open_store(tmp_path)) == 0


@pytest.mark.parametrize("content", ["", "[]", '{"width": 3}', "not json", '{"segments": [1]}'])
def test_a_foreign_manifest_is_refused_with_the_remedy(content, tmp_path):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ReferenceStoreError, match="cannot be read: run `fan embed --rebuild`"):
        open_store(tmp_path)


def test_a_file_of_another_store_is_refused_even_with_its_own_checksum(tmp_path):
    for name in ("one", "two"):
        store = open_store(tmp_path / name)
        store.add([len(name), ord(name[0])], vectors_of([1, 2]))
        store.save()
    entry = json.loads((tmp_path / "two" / "manifest.json").read_text())["segments"][0]
    for file in (tmp_path / "two").glob("*.faiss"):
        (tmp_path / "one" / file.name).write_bytes(file.read_bytes())
    manifest = json.loads((tmp_path / "one" / "manifest.json").read_text())
    manifest["segments"][0] = entry | {"count": 3}
    (tmp_path / "one" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ReferenceStoreError, match="holds other texts than its manifest says"):
        open_store(tmp_path / "one")


@pytest.mark.parametrize("options", [{"encoder_fingerprint": "encoder-b"}, {"width": 4}])
def test_another_encoders_vectors_are_refused(options, tmp_path):
    store = open_store(tmp_path)
    store.add([1], vectors_of([1]))
    store.save()
    with pytest.raises(ReferenceStoreError, match=r"encoder-a \(width 8\), but the model in use has encoder"):
        open_store(tmp_path, **options)


def test_unknown_ids_repeated_ids_and_broken_vectors_are_refused(tmp_path):
    store = open_store(tmp_path)
    store.add([1], vectors_of([1]))
    with pytest.raises(KeyError, match="2 texts have no vectors, the first with id 4: run `fan embed`"):
        store.gather([1, 5, 4])
    with pytest.raises(ValueError, match="1 reference ids are given twice"):
        store.add([2, 2], vectors_of([2, 2]))
    with pytest.raises(ValueError, match=r"has shape \(1, 8\), expected \(2, 8\)"):
        store.add([2, 3], vectors_of([2]))
    broken = vectors_of([2])
    broken.unit_mean_tokens[0, 0] = np.nan
    with pytest.raises(ValueError, match="unit_mean_tokens is not finite for 1 texts, the first with id 2"):
        store.add([2], broken)


def test_ids_may_be_asked_for_in_any_order_and_twice(tmp_path):
    store = open_store(tmp_path)
    store.add(range(12), vectors_of(range(12)))
    asked = [11, 0, 0, 7]
    np.testing.assert_array_equal(store.gather(asked).mean_unit_tokens, vectors_of(asked).mean_unit_tokens)
