"""Stage 3, profile: tailored profiling of each (user, target), a bucket of users at a time."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from fan_model.profiling import ReferenceVectors, Selection, count_references, select_references
from feature_store.histories import scan_histories
from feature_store.lake import Lake
from feature_store.profiles import profile_digest, replace_profiles
from feature_store.reference_store import ReferenceStore
from feature_store.runs import Run
from flows.recipes import profile_recipe
from flows.settings import Settings


def profile_pairs(
    settings: Settings, lake: Lake, store: ReferenceStore, run: Run, pairs: pa.Table
) -> dict[str, int]:
    """Select the references of each pair (`user_id`, `item_id`, `target_id`, `as_of`) and store them.

    Returns:
        Counts: targets, references selected, and targets whose user has no history.
    """
    numbered = pairs.append_column("pair_number", pa.array(np.arange(pairs.num_rows)))
    histories = scan_histories(lake, numbered, known_before=run.window_end)
    recipe_digest = profile_recipe(settings, store.encoder_revision)
    origin = {
        "encoder_revision": store.encoder_revision,
        "recipe_digest": recipe_digest,
        "run_id": run.run_id,
        "snapshot_id": lake.snapshot_id(),
    }
    rows: list[dict[str, object]] = []
    num_empty = 0
    for pair, history in _split(numbered, histories):
        selection = _select(settings, store, pair["target_id"], history)
        num_empty += not len(selection.indices)
        rows += [row | origin for row in _rows(pair, history, selection)]
    replace_profiles(lake, pairs, rows, recipe_digest=recipe_digest, run_id=run.run_id)
    return {
        "targets_profiled": pairs.num_rows,
        "references_selected": len(rows),
        "targets_without_history": num_empty,
    }


def _split(pairs: pa.Table, histories: pa.Table) -> Iterator[tuple[dict[str, Any], pa.Table]]:
    """Yield each pair with its own history; `histories` is sorted by pair."""
    bounds = np.searchsorted(histories["pair_number"].to_numpy(), np.arange(pairs.num_rows + 1))
    for number, pair in enumerate(pairs.to_pylist()):
        yield pair, histories.slice(bounds[number], bounds[number + 1] - bounds[number])


def _select(settings: Settings, store: ReferenceStore, target_id: int, history: pa.Table) -> Selection:
    """Run tailored profiling on stored vectors (paper, section on tailored profiling)."""
    if not history.num_rows:
        return Selection(np.empty(0, np.int64), np.empty(0))
    target = store.gather([target_id])
    references = store.gather(history["reference_id"].to_numpy())
    num_references = count_references(history.num_rows, fraction=settings.profile.fraction)
    return select_references(
        ReferenceVectors(target.mean_unit_tokens, target.unit_mean_tokens),
        ReferenceVectors(references.mean_unit_tokens, references.unit_mean_tokens),
        history["weight"].to_numpy(),
        num_references=min(num_references, settings.profile.max_references or num_references),
    )


def _rows(pair: dict[str, Any], history: pa.Table, selection: Selection) -> Iterator[dict[str, object]]:
    chosen = history.take(pa.array(selection.indices)).to_pylist()
    digest = profile_digest(pair["target_id"], [(row["reference_id"], row["weight"]) for row in chosen])
    for position, (row, relevance) in enumerate(zip(chosen, selection.relevance, strict=True), start=1):
        yield {
            "user_id": pair["user_id"],
            "item_id": pair["item_id"],
            "position": position,
            "reference_item_id": row["reference_item_id"],
            "reference_id": row["reference_id"],
            "relevance": float(relevance),
            "weight": row["weight"],
            "as_of": pair["as_of"],
            "history_size": history.num_rows,
            "profile_digest": digest,
        }
