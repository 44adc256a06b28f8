"""What each way to draw costs: seconds of this machine, weights, training, calls to a language model."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from evaluation.measures.picture_measures import Measure
from evaluation.peers.peer import Peer
from evaluation.protocol.plan import plan_variant
from evaluation.protocol.study import Study
from evaluation.protocol.variants import Variant
from fan_model.drawing.artist import Artist, ArtworkRequest, DrawingOptions

COSTS: Mapping[str, Measure] = {
    "seconds_per_target": Measure(
        "seconds",
        "Time of this machine for one target: selecting, and drawing what is not in memory; without a "
        "language model's time.",
        False,
    ),
    "extra_parameters": Measure("weights", "Weights that the method adds to the image model's.", False),
    "training_minutes": Measure("minutes", "What training them took, where they were trained.", False),
    "language_model_calls": Measure("calls", "Calls to a language model for one target.", False),
}
"""Of all users together."""

TIMED_TARGETS = 4
"""Targets that are drawn once more to take the time, the first ones of the study."""


@dataclass(frozen=True)
class DiscardedPictures:
    """Draws, and keeps nothing: what is left is the time that it took."""

    artist: Artist

    def is_known(self, digest: str) -> bool:
        """Say that nothing is known."""
        del digest
        return False

    def draw(self, requests: Mapping[str, ArtworkRequest], options: DrawingOptions) -> None:
        """Draw, and forget."""
        self.artist.draw_each(list(requests.values()), options)

    def keep(self, digest: str, content: bytes) -> None:
        """Forget."""

    def read(self, digest: str) -> bytes | None:
        """Have nothing."""
        del digest
        return None


def measure_costs(study: Study, variants: Sequence[Variant]) -> Iterator[tuple[Variant, dict[str, float]]]:
    """Yield each variant with its costs, by the names of `COSTS`.

    Every way to draw is timed on the same targets, after a first picture that nobody times.
    """
    places = range(min(TIMED_TARGETS, len(study.targets)))
    discarded = DiscardedPictures(study.artist)
    plan_variant(study, variants[0]).draw(places[:1], discarded)
    for variant in variants:
        peer = study.peers.get(variant.peer)
        if peer:
            # What the run has drawn, a run that was carried on would not have.
            peer.forget()
        began = time.perf_counter()
        plan = plan_variant(study, variant)
        planned = time.perf_counter()
        plan.draw(places, discarded)
        drawn = time.perf_counter()
        seconds = (planned - began) / len(study.targets) + (drawn - planned) / len(places)
        yield variant, dict(zip(COSTS, (seconds, *_declared(peer)), strict=True))


def _declared(peer: Peer | None) -> tuple[float, float, float]:
    """Weights, minutes and calls."""
    if peer is None:
        return 0.0, 0.0, 0.0
    return float(peer.num_parameters), peer.training_minutes, float(peer.calls_per_target)
