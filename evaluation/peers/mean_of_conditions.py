"""What averaging gives without attention: the weighted mean of text conditions, and one reference's alone.

No paper's method, but what every paper's method must do better than. With conditions c(.) of the text
encoder, W > 0 the preference strengths of the references R_i that tailored profiling keeps, and alpha the
degree of personalization:

    mean             c = (1 - alpha) c(T) + alpha sum_i w_i c(R_i),    w_i = W_i / sum W
    one condition    c = (1 - alpha) c(T) + alpha c(R_1),              R_1 the most relevant reference

Token by token, padding included; pooled states likewise. Nothing is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.peers.condition_mixing import join, refuse_unequal, weigh
from evaluation.peers.peer import Peer, PeerCase, PeerRequest
from evaluation.peers.shared_image_model import SharedImageModel
from fan_model.encoders.conditions import Condition
from fan_model.method.selection_policy import SelectionPolicy


@dataclass(frozen=True)
class MeanOfConditions(Peer):
    """The target's condition, drawn towards the mean of the references'."""

    alpha: float
    """Degree of personalization, 0 to 1."""
    policy: SelectionPolicy = SelectionPolicy()
    """How many references are kept of a history."""

    @property
    def name(self) -> str:
        """What tables call it."""
        return "mean of conditions"

    @property
    def recipe(self) -> str:
        """The degree; references are a part of the request."""
        return f"mean of conditions, alpha {self.alpha}"

    def unfit(self, image_model: SharedImageModel) -> str | None:
        """Say why it cannot draw with a model."""
        return refuse_unequal(image_model)

    def personalize(self, case: PeerCase) -> PeerRequest:
        """Keep the references that tailored profiling keeps."""
        kept = self.policy.select(case.target, case.vectors, case.weights).indices
        return case.keep(kept)

    def condition(self, image_model: SharedImageModel, requests: Sequence[PeerRequest]) -> Condition:
        """The weighted means; of a request without references, the plain condition."""
        return join([self._mean(image_model, request) for request in requests])

    def _mean(self, image_model: SharedImageModel, request: PeerRequest) -> Condition:
        if request.is_plain:
            return image_model.encode([request.prompt])
        shares = [1 - self.alpha, *(self.alpha * weight for weight in request.weights)]
        return weigh(image_model.encode([request.prompt, *request.liked]), shares)


@dataclass(frozen=True)
class OneCondition(MeanOfConditions):
    """The target's condition, drawn towards that of the most relevant reference."""

    @property
    def name(self) -> str:
        """What tables call it."""
        return "one reference's condition"

    def personalize(self, case: PeerCase) -> PeerRequest:
        """Keep the reference of the highest weight times likeness to the target."""
        relevance = case.weights * (case.vectors.mean_unit_tokens @ case.target.mean_unit_tokens[0])
        return case.keep([int(np.argmax(relevance))])
