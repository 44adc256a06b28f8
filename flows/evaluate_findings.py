"""What the rows of an evaluation say: comparisons of variants, and a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evaluation.comparison import Comparison, Estimate, compare
from flows.evaluate_variants import FULL, PLAIN
from flows.settings import Settings

Row = Mapping[str, Any]
"""One row of `evaluation_results`."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One variant."""

    name: str
    group: str
    alpha: float
    comparison: Comparison
    p_values: Mapping[str, float]
    """By measure of all users together."""
    is_personal: bool
    """Whether its pictures suit their own user's history, more than plain ones do and beyond chance."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All variants, in the order of the evaluation, `plain` and `full` among them."""

    variants: Mapping[str, Finding]
    judge: str
    judge_is_independent: bool | None
    num_users: int
    verdict: str


def find(settings: Settings, results: pa.Table, order: Sequence[str]) -> Findings:
    """Compare the variants of one evaluation.

    Args:
        settings: confidence of the intervals, and the seed of the bootstrap.
        results: rows of `evaluation_results`, of one run.
        order: names of the variants; what is not among them comes last.
    """
    rows = results.to_pylist()
    users = sorted({row["user_id"] for row in rows if row["user_id"] is not None})
    values, p_values = _values(rows, users), _p_values(rows)
    places = {name: place for place, name in enumerate(order)}
    firsts = {row["variant"]: row for row in rows}
    variants = {
        name: _finding(settings, firsts[name], values, p_values[name])
        for name in sorted(firsts, key=lambda name: places.get(name, len(places)))
    }
    return Findings(
        variants=variants,
        judge=rows[0]["judge"],
        judge_is_independent=rows[0]["judge_is_independent"],
        num_users=len(users),
        verdict=_verdict(variants[FULL], len(users)),
    )


def _finding(
    settings: Settings,
    row: Row,
    values: Mapping[str, Mapping[str, NDArray[np.float64]]],
    p_values: Mapping[str, float],
) -> Finding:
    """Compare the variant that `row` is one of with `plain` and `full`."""
    confidence = settings.evaluation.confidence
    comparison = compare(
        values[row["variant"]],
        plain=values[PLAIN],
        full=values[FULL],
        confidence=confidence,
        seed=settings.seed,
    )
    return Finding(
        name=row["variant"],
        group=row["variant_group"],
        alpha=row["alpha"],
        comparison=comparison,
        p_values=p_values,
        is_personal=_is_personal(comparison, p_values, confidence),
    )


def _values(rows: Sequence[Row], users: Sequence[str]) -> dict[str, dict[str, NDArray[np.float64]]]:
    """`[U]` values by variant and measure, NaN where undefined."""
    places = {user: place for place, user in enumerate(users)}
    values: dict[str, dict[str, NDArray[np.float64]]] = {}
    for row in rows:
        if row["user_id"] is None:
            continue
        measures = values.setdefault(row["variant"], {})
        of_users = measures.setdefault(row["measure"], np.full(len(users), np.nan))
        if row["value"] is not None:
            of_users[places[row["user_id"]]] = row["value"]
    return values


def _p_values(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if row["user_id"] is None:
            found.setdefault(row["variant"], {})[row["measure"]] = row["value"]
    return found


def _is_personal(comparison: Comparison, p_values: Mapping[str, float], confidence: float) -> bool:
    gain = comparison.minus_plain["own_minus_other"]
    return gain.low > 0 and p_values["own_minus_other_added_p"] <= 1 - confidence


def _verdict(full: Finding, num_users: int) -> str:
    added, p_value = full.comparison.minus_plain, full.p_values["own_minus_other_added_p"]
    shown = "is shown" if full.is_personal else "is not shown"
    return (
        f"Personalization {shown} on these {num_users} users. Beyond what plain pictures do, the pictures "
        "suit their own user's held-out history better than other users' by "
        f"{_with_interval(added['own_minus_other'])} (100 * cosine; p = {p_value:.2g}); their CLIP score "
        f"against the target changes by {_with_interval(added['clip_target'])}."
    )


def _with_interval(estimate: Estimate) -> str:
    return f"{estimate.mean:+.2f} [{estimate.low:+.2f}, {estimate.high:+.2f}]"
