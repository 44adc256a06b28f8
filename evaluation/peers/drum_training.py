"""Training of DrUM's adapter on the conditions of captions: no pictures, no users.

Each step draws its chances from (seed, step) alone and the checkpoint has all that a step leaves behind, so a
training that was killed goes on as if it had not.

Legend: N captions, b batch, k references, n tokens, w width.
"""

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from evaluation.peers.drum_adapter import AdapterOrigin, ConditionAdapter

SECONDS_BETWEEN_CHECKPOINTS = 20.0
WARM_UP_STEPS = 50
MOST_IN_COMMON = 200_000
"""Numbers that an adapter may hold of what captions have in common."""


class OtherTrainingError(ValueError):
    """The checkpoint is of a training on other captions, of another encoder, or with another seed."""


@dataclass(frozen=True, kw_only=True)
class AdapterCourse:
    """What an adapter is trained by."""

    encoder_fingerprint: str
    captions_digest: str
    """Of the captions, in their order."""
    seed: int = 0
    num_steps: int = 400
    batch: int = 32
    max_references: int = 4
    """Of one case: from 1 to so many, with weights drawn by lot."""
    learning_rate: float = 1e-3


def train_adapter(
    states: Tensor,
    course: AdapterCourse,
    checkpoint: Path,
    report: Callable[[int, float], None] = lambda *_: None,
) -> tuple[ConditionAdapter, AdapterOrigin]:
    """Train an adapter, from its checkpoint if there is one.

    Args:
        states: [N, n, w] conditions of distinct captions, more than a case has references.
        course: How.
        checkpoint: File; its folder is made.
        report: Told the steps done and the loss of the last.

    Raises:
        OtherTrainingError: The checkpoint is of another training.
    """
    with torch.random.fork_rng():
        torch.manual_seed(course.seed)
        adapter = ConditionAdapter(common_part(states))
    optimizer = torch.optim.AdamW(adapter.parameters(), lr=course.learning_rate, weight_decay=0.01)
    first, spent = _resume(checkpoint, course, adapter, optimizer)
    began = saved = time.monotonic()
    for step in range(first, course.num_steps):
        loss = _step(adapter, optimizer, course, step, states)
        report(step + 1, loss)
        now = time.monotonic()
        if step + 1 == course.num_steps or now - saved > SECONDS_BETWEEN_CHECKPOINTS:
            _save(checkpoint, course, adapter, optimizer, step + 1, spent + now - began)
            saved = now
    minutes = round((spent + time.monotonic() - began) / 60, 2)
    return adapter.eval(), AdapterOrigin(
        encoder_fingerprint=course.encoder_fingerprint,
        seed=course.seed,
        num_steps=course.num_steps,
        num_captions=len(states),
        minutes=minutes,
    )


def common_part(states: Tensor) -> Tensor:
    """[n, w], or [1, w] of long and wide conditions: the mean of all captions' conditions [N, n, w]."""
    by_position = states.mean(dim=0)
    return by_position if by_position.numel() <= MOST_IN_COMMON else by_position.mean(dim=0, keepdim=True)


def adapter_loss(
    adapter: ConditionAdapter, target: Tensor, references: Tensor, weights: Tensor, alpha: Tensor
) -> Tensor:
    """The two cosine losses of `drum`, mean over the batch; arguments as the adapter takes them."""
    made = adapter(target, references, weights, alpha) - adapter.common
    profile = torch.einsum("bk,bkni->bni", weights, references) - adapter.common
    likeness = [
        F.cosine_similarity(made, to, dim=-1).mean(dim=-1) for to in (target - adapter.common, profile)
    ]
    return 1 - likeness[0].lerp(likeness[1], alpha).mean()


def _step(
    adapter: ConditionAdapter,
    optimizer: torch.optim.Optimizer,
    course: AdapterCourse,
    step: int,
    states: Tensor,
) -> float:
    for group in optimizer.param_groups:
        group["lr"] = _learning_rate(course, step)
    optimizer.zero_grad(set_to_none=True)
    loss = adapter_loss(adapter, *_draw_cases(course, step, states))
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(adapter.parameters(), 1.0)
    optimizer.step()
    return float(loss.detach())


def _draw_cases(course: AdapterCourse, step: int, states: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Targets, their references, weights and alphas of one step, by lot."""
    chance = torch.Generator().manual_seed(course.seed * 1_000_003 + step)
    count = int(torch.randint(1, course.max_references + 1, (), generator=chance))
    places = torch.stack(
        [torch.randperm(len(states), generator=chance)[: count + 1] for _ in range(course.batch)]
    )
    weights = torch.rand(course.batch, count, generator=chance) + 0.1
    alpha = torch.rand(course.batch, generator=chance)
    drawn = states[places]
    return drawn[:, 0], drawn[:, 1:], weights / weights.sum(dim=-1, keepdim=True), alpha


def _learning_rate(course: AdapterCourse, step: int) -> float:
    """Linear warm-up, then a straight fall to a hundredth."""
    fall = 1 - 0.99 * step / course.num_steps
    return course.learning_rate * min(1.0, (step + 1) / WARM_UP_STEPS) * fall


def _resume(
    checkpoint: Path, course: AdapterCourse, adapter: ConditionAdapter, optimizer: torch.optim.Optimizer
) -> tuple[int, float]:
    """Steps done and seconds spent so far."""
    if not checkpoint.exists():
        return 0, 0.0
    kept: dict[str, Any] = torch.load(checkpoint, weights_only=True)
    if kept["course"] != asdict(course):
        raise OtherTrainingError(
            f"{checkpoint.name} is of another training (seed, steps, captions or encoder): remove it, or "
            "train with the same"
        )
    adapter.load_state_dict(kept["adapter"])
    optimizer.load_state_dict(kept["optimizer"])
    return kept["step"], kept["seconds"]


def _save(
    checkpoint: Path,
    course: AdapterCourse,
    adapter: ConditionAdapter,
    optimizer: torch.optim.Optimizer,
    step: int,
    seconds: float,
) -> None:
    state: dict[str, Any] = {
        "adapter": adapter.state_dict(),
        "optimizer": optimizer.state_dict(),
        "course": asdict(course),
        "step": step,
        "seconds": seconds,
    }
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    aside = checkpoint.with_suffix(".tmp")
    torch.save(state, aside)
    os.replace(aside, checkpoint)
