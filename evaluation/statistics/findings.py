"""What the rows of an evaluation say: comparisons of variants, and a verdict."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.protocol.costing import COSTS
from evaluation.protocol.results import EvaluationResult
from evaluation.protocol.variants import FULL, PLAIN
from evaluation.statistics.comparison import Comparison, compare
from evaluation.statistics.intervals import Resampling


@dataclass(frozen=True, kw_only=True)
class VariantFinding:
    """One variant."""

    name: str
    group: str
    alpha: float
    comparison: Comparison
    p_values: Mapping[str, float]
    """By measure of all users together."""
    costs: Mapping[str, float]
    """By the names of `COSTS`; none where no other methods were compared."""
    is_personal: bool
    """Whether its pictures suit their own user's history, more than plain ones do and beyond chance."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All variants, in the order of the evaluation, `plain` and `full` among them."""

    variants: Mapping[str, VariantFinding]
    judge: str
    judge_fingerprint: str
    judge_is_independent: bool
    data_set: str
    num_users: int
    """Users with a picture that counts."""
    num_pictures: int
    """Of each variant."""

    @property
    def failed_controls(self) -> list[str]:
        """Controls that came out personal, which cannot be."""
        return [one.name for one in self.variants.values() if one.group == "control" and one.is_personal]

    @property
    def verdict(self) -> str:
        """Whether the method's pictures are personal, and what that costs, in words."""
        full = self.variants[FULL]
        added, p_value = full.comparison.minus_plain, full.p_values["own_minus_other_added_p"]
        return (
            f"Personalization is {'' if full.is_personal else 'not '}shown on these {self.num_users} users. "
            "Beyond what plain pictures do, the pictures suit their own user's held-out history better than "
            f"other users' by {added['own_minus_other']} (100 * cosine; p = {p_value:.2g}); "
            f"their CLIP score against the target changes by {added['clip_target']}."
            f"{self._doubt}"
        )

    @property
    def _doubt(self) -> str:
        failed = self.failed_controls
        if not failed:
            return ""
        return f" Do not trust this: {' and '.join(failed)} came out personal, too; take more users."


def find(results: Iterable[EvaluationResult], order: Sequence[str], how: Resampling) -> Findings:
    """Compare the variants of one evaluation.

    Args:
        results: of one run, in the order in which they were measured.
        order: names of the variants; what is not among them comes last.
        how: intervals are made; `1 - confidence` is the level of the test, too.
    """
    rows = [*results]
    judged = [row for row in rows if row.measure == "clip_target" and row.num_pictures]
    users = list(dict.fromkeys(row.user_key for row in judged))
    values, of_all = _values(rows, users), _of_all_users(rows)
    places = {name: place for place, name in enumerate(order)}
    firsts = {row.variant: row for row in rows}
    return Findings(
        variants={
            name: _finding(firsts[name], values, of_all[name], how)
            for name in sorted(firsts, key=lambda name: places.get(name, len(places)))
        },
        judge=judged[0].judge,
        judge_fingerprint=judged[0].judge_fingerprint,
        judge_is_independent=judged[0].judge_is_independent,
        data_set=judged[0].data_set,
        num_users=len(users),
        num_pictures=sum(row.num_pictures for row in judged if row.variant == PLAIN),
    )


def _finding(
    row: EvaluationResult,
    values: Mapping[str, Mapping[str, NDArray[np.float64]]],
    of_all: Mapping[str, float],
    how: Resampling,
) -> VariantFinding:
    """Compare the variant that `row` is one of with `plain` and `full`."""
    p_values = {name: value for name, value in of_all.items() if name not in COSTS}
    comparison = compare(values[row.variant], plain=values[PLAIN], full=values[FULL], how=how)
    return VariantFinding(
        name=row.variant,
        group=row.variant_group,
        alpha=row.alpha,
        comparison=comparison,
        p_values=p_values,
        costs={name: value for name, value in of_all.items() if name in COSTS},
        is_personal=_is_personal(comparison, p_values, how.confidence),
    )


def _values(
    rows: Sequence[EvaluationResult], users: Sequence[int | None]
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """`[U]` values by variant and measure, NaN where undefined."""
    places = {user: place for place, user in enumerate(users)}
    values: dict[str, dict[str, NDArray[np.float64]]] = {}
    for row in rows:
        if row.user_key not in places:
            continue
        measures = values.setdefault(row.variant, {})
        of_users = measures.setdefault(row.measure, np.full(len(users), np.nan))
        if row.value is not None:
            of_users[places[row.user_key]] = row.value
    return values


def _of_all_users(rows: Sequence[EvaluationResult]) -> dict[str, dict[str, float]]:
    """P-values and costs, by variant and name."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if row.user_key is None and row.value is not None:
            found.setdefault(row.variant, {})[row.measure] = row.value
    return found


def _is_personal(comparison: Comparison, p_values: Mapping[str, float], confidence: float) -> bool:
    gain = comparison.minus_plain["own_minus_other"]
    return gain.low > 0 and p_values["own_minus_other_added_p"] <= 1 - confidence
