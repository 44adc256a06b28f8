"""What an evaluation reads of the lake: sampled users, their latest targets and the history before."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feature_store.history.histories import scan_histories
from feature_store.history.population import scan_population
from feature_store.lake.lake import Lake
from feature_store.tables.evaluations import (
    sample_users,
    scan_disliked_texts,
    scan_reference_texts,
    scan_target_texts,
)
from feature_store.tables.runs import Run
from feature_store.tables.targets import scan_latest_items
from flows.settings import Settings
from flows.stages.recipes import item_seed

MAX_DISLIKED = 20
"""Texts of a user's negative evidence: more than any method looks at."""


@dataclass(frozen=True, kw_only=True)
class EvaluationData:
    """Histories and targets of the sampled users."""

    histories: pa.Table
    """`user_key`, `lot`, `text`, `weight`, `last_event_time`, strictly before the user's targets; users
    in the order of their ids, latest first."""
    targets: pa.Table
    """`user_key`, `item_id`, `target_text`, `seed`."""
    disliked: pa.Table
    """`user_key`, `text`, `weight` of what users disliked before their targets, the least liked first."""
    population: pa.Table
    """What everybody likes, see `scan_population`."""


def read_evaluation_data(settings: Settings, lake: Lake, run: Run) -> EvaluationData:
    """Sample users who liked enough, and read what was known of them by the end of the run's window."""
    targets = _scan_targets(settings, lake, run)
    pairs = _number_users(targets)
    disliked = scan_disliked_texts(lake, pairs, known_before=run.window_end, num_texts=MAX_DISLIKED)
    return EvaluationData(
        histories=_scan_histories(lake, run, targets, pairs),
        disliked=disliked,
        targets=_add_seeds(settings, scan_target_texts(lake, targets)),
        population=scan_population(lake, as_of=run.window_end, least_users=settings.crowd.least_users),
    )


def _scan_targets(settings: Settings, lake: Lake, run: Run) -> pa.Table:
    evaluation = settings.evaluation
    users = sample_users(
        lake,
        num_users=evaluation.max_users,
        sample=evaluation.sample,
        least_items=evaluation.targets_per_user + evaluation.min_history,
        known_before=run.window_end,
    )
    return scan_latest_items(lake, run, users, num_targets=evaluation.targets_per_user)


def _number_users(targets: pa.Table) -> pa.Table:
    """Each user with the earliest of the targets, numbered."""
    firsts = targets.filter(pc.equal(targets["rank"], 1))
    return firsts.append_column("pair_number", pa.array(np.arange(firsts.num_rows)))


def _scan_histories(lake: Lake, run: Run, targets: pa.Table, pairs: pa.Table) -> pa.Table:
    """Each user's history before the earliest of the targets, by user, latest first."""
    histories = scan_histories(lake, pairs, known_before=run.window_end)
    return scan_reference_texts(
        lake, pairs=pairs, histories=histories, targets=targets, known_before=run.window_end
    )


def _add_seeds(settings: Settings, targets: pa.Table) -> pa.Table:
    """All variants draw an item from the same noise, as the night does."""
    seeds = [item_seed(settings, item_id) for item_id in targets["item_id"].to_pylist()]
    return targets.append_column("seed", pa.array(seeds, pa.int64()))
