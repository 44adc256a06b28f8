"""One training loop for all parts: warm-up, cosine, clipped gradients, averaged weights, checkpoints.

Every step draws its chances from (seed, step) alone, so a training that was killed goes on as if it had not.
A step is dealt first (what it learns from, and all chances) and computed then, so that a GPU need not be told
its thousands of small kernels at every step: they are recorded once, and replayed.
"""

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

WARM_UP_STEPS = 50
SECONDS_BETWEEN_CHECKPOINTS = 60.0
STEPS_BETWEEN_REPORTS = 50
STEPS_BEFORE_RECORDING = 3

Report = Callable[[str, int, int, float], None]
"""Told the course, the steps done, the steps to do and the mean loss since the last report."""
Batch = tuple[Tensor, ...]
Deal = Callable[[int], Batch]
"""What a step learns from, by its number: tensors on the module's device, each of one shape in all steps."""
Dealer = Callable[[], Deal]
"""Prepares what is dealt; asked only if there are steps to take."""
Loss = Callable[..., Tensor]
"""The loss of what was dealt; it draws no chances."""


@dataclass(frozen=True)
class Course:
    """What one part is trained by."""

    name: str
    seed: int
    num_steps: int
    learning_rate: float
    weight_decay: float = 0.01
    beta2: float = 0.98
    hold: float = 0.0
    """Share of the steps at the full rate before the cosine begins."""
    ema_decay: float = 0.0
    """Decay of the averaged weights, a step; 0 keeps the last weights."""


def train(
    course: Course, module: nn.Module, dealer: Dealer, loss: Loss, folder: Path, report: Report
) -> None:
    """Train a module, from its checkpoint if there is one; leaves the (averaged) weights in the module.

    Args:
        course: how.
        module: what is trained, already on its device.
        dealer: prepares what the steps learn from.
        loss: the loss of what was dealt.
        folder: where the checkpoint and the log of losses lie.
        report: told every 50 steps.
    """
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimizer = _optimizer(course, parameters)
    average = [p.detach().clone() for p in parameters]
    checkpoint = folder / f"{course.name}.pt"
    start = _resume(checkpoint, module, optimizer, average)
    prepared = cache(dealer)
    gradients = _Gradients(parameters, loss)
    losses: list[Tensor] = []
    saved = time.monotonic()
    module.train()
    for step in range(start, course.num_steps):
        torch.manual_seed(course.seed * 10_000_019 + step)
        losses.append(gradients.of(prepared()(step)))
        _step(course, step, parameters, optimizer)
        _follow(average, parameters, course.ema_decay, step)
        done = step + 1
        if done % STEPS_BETWEEN_REPORTS == 0 or done == course.num_steps:
            _tell(course, done, losses, folder, report)
        if done == course.num_steps or time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
            _save(checkpoint, done, module, optimizer, average)
            saved = time.monotonic()
    load_average(module, average)
    module.eval()


class _Gradients:
    """Computes a loss and its gradients; on a GPU by replaying the kernels of the first steps."""

    def __init__(self, parameters: list[nn.Parameter], loss: Loss) -> None:
        self._parameters = parameters
        self._loss = loss
        self._graph: torch.cuda.CUDAGraph | None = None
        self._batch: Batch = ()
        self._value = torch.zeros(())

    def of(self, batch: Batch) -> Tensor:
        """Leave the gradients in the parameters; returns the loss."""
        if batch[0].device.type != "cuda":
            return self._compute(batch)
        if self._graph is None:
            self._record(batch)
        for kept, dealt in zip(self._batch, batch, strict=True):
            kept.copy_(dealt)
        assert self._graph
        self._graph.replay()
        return self._value.clone()

    def _compute(self, batch: Batch) -> Tensor:
        for parameter in self._parameters:
            parameter.grad = None
        value = self._loss(*batch)
        value.backward()  # type: ignore[no-untyped-call]
        return value.detach()

    def _record(self, batch: Batch) -> None:
        """Record a step, after a few that let the libraries choose their kernels."""
        self._batch = tuple(dealt.clone() for dealt in batch)
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(STEPS_BEFORE_RECORDING):
                self._compute(self._batch)
        torch.cuda.current_stream().wait_stream(aside)
        for parameter in self._parameters:
            parameter.grad = None
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._value = self._compute(self._batch)


def learning_rate(course: Course, step: int) -> float:
    """Return the rate of a step: linear warm-up, a plateau, then a cosine down to a hundredth."""
    progress = step / max(1, course.num_steps)
    fall = max(0.0, (progress - course.hold) / (1 - course.hold))
    rate = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fall))
    return course.learning_rate * min(1.0, (step + 1) / WARM_UP_STEPS) * rate


def load_average(module: nn.Module, average: list[Tensor]) -> None:
    """Put averaged weights into a module."""
    with torch.no_grad():
        for parameter, mean in zip((p for p in module.parameters() if p.requires_grad), average, strict=True):
            parameter.copy_(mean)


@contextmanager
def half_precision(device: torch.device) -> Iterator[None]:
    """Compute in bfloat16 where it helps, on CPUs with its instructions as on GPUs."""
    with torch.autocast(device.type, torch.bfloat16, enabled=_has_bfloat16(device)):
        yield


@cache
def _has_bfloat16(device: torch.device) -> bool:
    """Whether there are instructions for it: a CPU without them takes many times longer than in float32."""
    if device.type != "cpu":
        return True
    supported: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return supported


def _optimizer(course: Course, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    betas = (0.9, course.beta2)
    return torch.optim.AdamW(
        parameters, lr=course.learning_rate, betas=betas, weight_decay=course.weight_decay, fused=True
    )


def _step(
    course: Course, step: int, parameters: list[nn.Parameter], optimizer: torch.optim.Optimizer
) -> None:
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(course, step)
    nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()


def _tell(course: Course, done: int, losses: list[Tensor], folder: Path, report: Report) -> None:
    """Log the mean loss since the last report."""
    mean = float(torch.stack(losses).mean())
    _log(folder / f"{course.name}.jsonl", done, mean)
    report(course.name, done, course.num_steps, mean)
    losses.clear()


def _follow(average: list[Tensor], parameters: list[nn.Parameter], decay: float, step: int) -> None:
    """Move the average towards the weights; early steps weigh more, so that the start is forgotten."""
    share = max(1 - decay, 1 / (step + 1)) if decay else 1.0
    with torch.no_grad():
        torch._foreach_lerp_(average, [p.detach() for p in parameters], share)


def _resume(
    checkpoint: Path, module: nn.Module, optimizer: torch.optim.Optimizer, average: list[Tensor]
) -> int:
    if not checkpoint.exists():
        return 0
    state = torch.load(checkpoint, weights_only=True, map_location=next(module.parameters()).device)
    module.load_state_dict(state["module"])
    optimizer.load_state_dict(state["optimizer"])
    for mean, kept in zip(average, state["average"], strict=True):
        mean.copy_(kept)
    return int(state["step"])


def _save(
    checkpoint: Path, step: int, module: nn.Module, optimizer: torch.optim.Optimizer, average: list[Tensor]
) -> None:
    state: dict[str, Any] = {
        "step": step,
        "module": module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": average,
    }
    aside = checkpoint.with_suffix(".tmp")
    torch.save(state, aside)
    os.replace(aside, checkpoint)


def _log(file: Path, step: int, loss: float) -> None:
    with file.open("a") as log:
        log.write(json.dumps({"step": step, "loss": loss, "time": round(time.time())}) + "\n")
