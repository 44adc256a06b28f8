"""Stage 3, profile: tailored profiling of each (user, target), a bucket of users at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fan_model.method.profiling import FloatArray, ReferenceVectors, Selection
from feature_store.history.histories import scan_histories
from feature_store.history.neighbours import Neighbours
from feature_store.lake.lake import Lake
from feature_store.tables.crowds import CrowdRow
from feature_store.tables.profiles import ProfileRow, profile_digest, replace_profiles
from feature_store.tables.runs import Run
from feature_store.vectors.reference_store import ReferenceStore
from flows.settings import Settings
from flows.stages.crowd import crowd_mean, crowd_name
from flows.stages.recipes import profile_recipe

PAIRS_AT_ONCE = 256
"""Pairs whose vectors are gathered together: what profiling holds in memory."""


def profile_pairs(
    settings: Settings,
    lake: Lake,
    store: ReferenceStore,
    run: Run,
    pairs: pa.Table,
    crowd: Sequence[CrowdRow] = (),
) -> dict[str, int]:
    """Select the references of each pair (`user_key`, `item_id`, `target_id`, `as_of`) and store them.

    Args:
        settings: how they are selected.
        lake: where histories are and profiles go.
        store: where the texts' vectors are.
        run: the night.
        pairs: of users and targets.
        crowd: what users are told apart from; none if there is none.

    Returns:
        Counts: targets, references selected, targets that got some from what others liked, or have none.
    """
    snapshot_id = lake.snapshot_id()
    numbered = pairs.append_column("pair_number", pa.array(np.arange(pairs.num_rows)))
    histories = _scan_references(settings, lake, store, run, numbered)
    recipe_digest = profile_recipe(settings, store.encoder_fingerprint, crowd_name(crowd))
    origin = ProfileOrigin(store.encoder_fingerprint, recipe_digest, run.run_id, snapshot_id)
    rows = list(_select_all(settings, store, numbered, histories, origin, crowd_mean(store, crowd)))
    return replace_profiles(lake, pairs, rows, recipe_digest=recipe_digest, run_id=run.run_id)


OF_PAIRS = ("pair_number", "user_key", "item_id", "target_id", "as_of")
OF_HISTORIES = ("pair_number", "reference_item_id", "reference_id", "weight", "origin")


def profile_rows(
    settings: Settings,
    store: ReferenceStore,
    candidates: pa.Table,
    origin: "ProfileOrigin",
    crowd: Sequence[CrowdRow] = (),
) -> tuple[pa.Table, list[ProfileRow]]:
    """Select the references of a bucket's pairs.

    Args:
        settings: how they are selected.
        store: where the texts' vectors are.
        candidates: rows of `stream_candidates`, whose pairs are numbered without a gap.
        origin: what all rows came from.
        crowd: what users are told apart from; none if there is none.

    Returns:
        The pairs, and their rows.
    """
    numbers = candidates["pair_number"].to_numpy()
    own = pa.array(numbers - numbers[0])
    candidates = candidates.set_column(candidates.schema.get_field_index("pair_number"), "pair_number", own)
    _, firsts = np.unique(numbers, return_index=True)
    pairs = candidates.select(OF_PAIRS).take(pa.array(firsts))
    histories = candidates.select(OF_HISTORIES).filter(candidates["reference_id"].is_valid())
    mean = crowd_mean(store, crowd)
    return pairs, list(_select_all(settings, store, pairs, histories, origin, mean))


def _scan_references(
    settings: Settings, lake: Lake, store: ReferenceStore, run: Run, pairs: pa.Table
) -> pa.Table:
    """Return what there is to select from: histories, and for small ones what others liked."""
    histories = scan_histories(lake, pairs, known_before=run.window_end)
    if not settings.profile.cold_start:
        return histories
    size = settings.profile.little_history
    return Neighbours(store=store, known_before=run.window_end, size=size).add(lake, pairs, histories)


def _select_all(
    settings: Settings,
    store: ReferenceStore,
    pairs: pa.Table,
    histories: pa.Table,
    origin: "ProfileOrigin",
    crowd: FloatArray | None,
) -> Iterator[ProfileRow]:
    """Yield the profile rows of all pairs; `histories` is sorted by pair."""
    bounds = np.searchsorted(histories["pair_number"].to_numpy(), np.arange(pairs.num_rows + 1))
    for start in range(0, pairs.num_rows, PAIRS_AT_ONCE):
        some = pairs.slice(start, PAIRS_AT_ONCE)
        end = start + some.num_rows
        vectors = _Vectors(store, some, histories.slice(bounds[start], bounds[end] - bounds[start]))
        for pair in (_NumberedPair(**row) for row in some.to_pylist()):
            first, last = bounds[pair.pair_number], bounds[pair.pair_number + 1]
            history = histories.slice(first, last - first)
            selection = _select(settings, vectors, pair.target_id, history, crowd)
            yield from _rows(pair, history, selection, origin, takes_images=settings.images.takes_images)


@dataclass(frozen=True, kw_only=True)
class _NumberedPair:
    """One of a bucket's pairs, with its number among them."""

    pair_number: int
    user_key: int
    item_id: str
    target_id: int
    as_of: datetime


@dataclass(frozen=True)
class ProfileOrigin:
    """What all rows of a bucket came from."""

    encoder_fingerprint: str
    recipe_digest: str
    run_id: str
    snapshot_id: int


class _Vectors:
    """The vectors of some pairs' texts, each gathered once."""

    def __init__(self, store: ReferenceStore, pairs: pa.Table, histories: pa.Table) -> None:
        self._ids = np.union1d(pairs["target_id"].to_numpy(), histories["reference_id"].to_numpy())
        gathered = store.gather(self._ids)
        self._vectors = ReferenceVectors(gathered.mean_unit_tokens, gathered.unit_mean_tokens)

    def of(self, ids: npt.ArrayLike) -> ReferenceVectors:
        return self._vectors[np.searchsorted(self._ids, ids)]


def _select(
    settings: Settings, vectors: _Vectors, target_id: int, history: pa.Table, crowd: FloatArray | None
) -> Selection:
    """Run tailored profiling on stored vectors (paper, section on tailored profiling)."""
    return settings.profile.select(
        vectors.of([target_id]),
        vectors.of(history["reference_id"].to_numpy()),
        history["weight"].to_numpy(),
        num_borrowed=history["origin"].to_pylist().count("neighbours"),
        crowd=crowd,
    )


def _rows(
    pair: _NumberedPair,
    history: pa.Table,
    selection: Selection,
    origin: ProfileOrigin,
    *,
    takes_images: bool,
) -> Iterator[ProfileRow]:
    chosen = history.take(pa.array(selection.indices)).to_pylist()
    pictured = [row["reference_item_id"] for row in chosen] if takes_images else []
    shares = [(row["reference_id"], row["weight"]) for row in chosen]
    digest = profile_digest(pair.target_id, shares, pictured)
    history_size = history["origin"].to_pylist().count("history")
    for position, (row, relevance) in enumerate(zip(chosen, selection.relevance, strict=True), start=1):
        yield ProfileRow(
            user_key=pair.user_key,
            item_id=pair.item_id,
            position=position,
            reference_item_id=row["reference_item_id"],
            reference_id=row["reference_id"],
            origin=row["origin"],
            relevance=float(relevance),
            weight=row["weight"],
            as_of=pair.as_of,
            history_size=history_size,
            profile_digest=digest,
            **asdict(origin),
        )
