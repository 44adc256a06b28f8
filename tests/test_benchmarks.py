"""Benchmarks that cannot run everywhere still work where they can be tried, on tiny pipelines."""

import pytest

from tests.benchmarks.bench_gpu import measure
from tests.fan_model.pipelines import stable_diffusion, stable_diffusion_xl


@pytest.mark.whole
@pytest.mark.parametrize("make", [stable_diffusion, stable_diffusion_xl])
def test_drawing_on_a_gpu_is_measured_the_same_way_on_a_cpu(make):
    measured = measure(make, device="cpu", batch=2, num_batches=2, steps=2)
    assert measured.plain > 0
    assert measured.ours > 0
    assert "2 batches of 2, 2 steps" in measured.remark
