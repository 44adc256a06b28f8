"""The interface of all peers: what a picture is made of, and how it is drawn.

Legend: H references in a history, b pictures.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.peers.shared_image_model import SharedImageModel
from fan_model.drawing.personalizer import Painted
from fan_model.encoders.conditions import Condition
from fan_model.method.profiling import ReferenceVectors


@dataclass(frozen=True, kw_only=True)
class PeerCase:
    """One picture that is wanted: its target, and all that a peer may know of its user."""

    prompt: str
    """The target's text."""
    seed: int
    texts: tuple[str, ...]
    """H references of the user, latest first; none of them held out."""
    weights: NDArray[np.float64]
    """[H] preference strengths, above 0."""
    target: ReferenceVectors
    """The model's vectors of the one target."""
    vectors: ReferenceVectors
    """The model's vectors of the H references."""
    disliked: tuple[str, ...] = ()
    """Negative evidence, the least liked first: events of negative weight, or else the least liked of H."""

    def keep(self, places: Sequence[int] | NDArray[np.integer]) -> "PeerRequest":
        """Ask for a picture that takes on some of the references, each by its share of their weights."""
        weights = self.weights[places]
        return PeerRequest(
            prompt=self.prompt,
            seed=self.seed,
            liked=tuple(self.texts[place] for place in places),
            weights=tuple((weights / weights.sum()).tolist()),
        )


@dataclass(frozen=True, kw_only=True)
class PeerRequest:
    """All that one picture is made of, beside the model, the peer and the options."""

    prompt: str
    seed: int
    liked: tuple[str, ...] = ()
    """References or attributes that the picture takes on."""
    weights: tuple[float, ...] = ()
    """One per liked text, summing to 1."""
    disliked: tuple[str, ...] = ()
    """References or attributes that the picture keeps away from."""

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing but a prompt."""
        return not (self.liked or self.disliked)


class Peer(ABC):
    """One method of personalization."""

    num_parameters = 0
    """Weights that it adds to the image model's."""
    training_minutes = 0.0
    """What training them took."""
    calls_per_target = 0
    """Calls to a language model for one picture."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What tables call it: the method, and in brackets what stands in for a part of it."""

    @property
    def recipe(self) -> str:
        """What of the peer its pictures depend on, beside requests: a part of their digests."""
        return repr(self)

    def unfit(self, image_model: SharedImageModel) -> str | None:
        """Say why it cannot draw with a model; None if it can."""
        del image_model
        return None

    def plan(self, case: PeerCase) -> PeerRequest:
        """What the picture is made of: without a history the prompt alone."""
        if not case.texts:
            return PeerRequest(prompt=case.prompt, seed=case.seed)
        return self.personalize(case)

    @abstractmethod
    def personalize(self, case: PeerCase) -> PeerRequest:
        """What the picture is made of, for a user with a history of one text or more."""

    def condition(self, image_model: SharedImageModel, requests: Sequence[PeerRequest]) -> Condition:
        """[b] what the image model consumes in place of the prompts."""
        return image_model.encode([request.prompt for request in requests])

    def negative(self, image_model: SharedImageModel, requests: Sequence[PeerRequest]) -> Condition:
        """[b] what guidance leads away from."""
        return image_model.encode_negative().repeat(len(requests))

    def forget(self) -> None:  # noqa: B027 - most remember nothing
        """Forget what was drawn before: pictures do not depend on it, the time that they take does."""

    def draw(self, image_model: SharedImageModel, requests: Sequence[PeerRequest]) -> list[Painted]:
        """[b] the pictures, each whatever it is drawn together with."""
        return image_model.paint(
            [request.seed for request in requests],
            lambda places: self.condition(image_model, [requests[place] for place in places]),
            lambda places: self.negative(image_model, [requests[place] for place in places]),
        )
