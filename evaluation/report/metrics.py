"""The findings of an evaluation as numbers with names, for a tracker of experiments."""

import re
from collections.abc import Iterator

from evaluation.statistics.findings import Findings

NOT_IN_NAMES = re.compile(r"[^\w .:-]")
"""What MLflow takes in no name of a number."""


def list_metrics(findings: Findings) -> Iterator[tuple[str, float]]:
    """Yield the number of users, and each variant's means, differences to plain pictures, gains, p-values."""
    yield "num_users", float(findings.num_users)
    for variant in findings.variants.values():
        prefix, comparison = NOT_IN_NAMES.sub("", variant.name), variant.comparison
        for measure, estimate in comparison.means.items():
            yield f"{prefix}/{measure}", estimate.mean
            yield f"{prefix}/{measure}_minus_plain", comparison.minus_plain[measure].mean
        for measure, gain in comparison.gains.items():
            yield f"{prefix}/{measure}_gain_mean_of_ratios_percent", gain.mean_of_ratios.mean
            yield f"{prefix}/{measure}_gain_ratio_of_means_percent", gain.ratio_of_means.mean
        for measure, value in {**variant.p_values, **variant.costs}.items():
            yield f"{prefix}/{measure}", value
