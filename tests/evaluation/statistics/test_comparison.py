import numpy as np
import pytest

from evaluation.statistics.comparison import compare
from evaluation.statistics.intervals import Resampling


def test_differences_are_paired_by_user():
    base = np.random.default_rng(2).normal(50, 20, size=30)

    def values(shift):
        return {"clip_target": base + shift, "clip_history": np.full(30, 10.0 + shift)}

    comparison = compare(values(1.0), plain=values(0.0), full=values(1.5), how=Resampling())
    # Users who all gain the same need no others beside them, however unlike they are.
    assert comparison.power["clip_target"].smallest_effect == pytest.approx(0.0)
    assert comparison.means["clip_target"].high - comparison.means["clip_target"].low > 5
    assert comparison.minus_plain["clip_target"].low == pytest.approx(1.0)
    assert comparison.minus_full["clip_target"].high == pytest.approx(-0.5)
    assert comparison.gains["clip_history"].ratio_of_means.mean == pytest.approx(10.0)
