"""DrUM: a transformer adapter on the text encoder's condition, after coreset selection.

Source: Kim, Ahn and Seo, "Draw Your Mind: Personalized Generation via Condition-Level Modeling in
Text-to-Image Diffusion Models", ICCV 2025.

With c(.) the text encoder's condition less what the conditions of all captions have in common, R_i the
references that a coreset of the history keeps, w_i their weights (summing to 1), r = sum_i w_i c(R_i) the
profile and alpha the degree of personalization, the adapter A makes

    z = A(c(T); c(R_1..k), w, alpha) = (1 - alpha) c(T) + alpha (r + f(x)),   tokens as long as the target's
    x <- x + (1 - alpha) Attn(x, c(T)) + alpha sum_i w_i Attn(x, c(R_i)),   x <- x + MLP(x)    two times

and is trained once per encoder on captions, whose conditions play targets and references by lot, with

    loss = mean_j [ (1 - alpha) (1 - cos(z_j, c(T)_j)) + alpha (1 - cos(z_j, r_j)) ]

Left out: the published weights, which are of other encoders, and its size: this one is at most 128 wide and
two blocks deep, so that it trains in minutes on a CPU. Taking away what captions have in common is this
project's: cosines of whole conditions are all but 1, and an adapter trained on them made the bundled model's
pictures less like the history, not more. A pooled state, where a family has one, is mixed as
(1 - alpha) target + alpha references: the adapter has no stream for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from evaluation.peers.condition_mixing import join, refuse_unequal, weigh
from evaluation.peers.drum_adapter import AdapterOrigin, ConditionAdapter
from evaluation.peers.easel import Easel
from evaluation.peers.peer import Peer, PeerCase, PeerRequest
from evaluation.protocol.selection import select_coreset
from fan_model.encoders.conditions import Condition
from fan_model.method.selection_policy import SelectionPolicy


@dataclass(frozen=True)
class Drum(Peer):
    """DrUM with an adapter of the model's own text encoder."""

    alpha: float
    """Degree of personalization, 0 to 1."""
    adapter: ConditionAdapter
    origin: AdapterOrigin
    policy: SelectionPolicy = SelectionPolicy()
    """How many references the coreset has."""

    title: ClassVar[str] = "DrUM"

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.title

    @property
    def recipe(self) -> str:
        """The adapter by its checksum, for its object says nothing of its weights."""
        return f"DrUM, alpha {self.alpha}, adapter {self.adapter.fingerprint}"

    @property
    def num_parameters(self) -> int:  # type: ignore[override]
        """The adapter's weights."""
        return self.adapter.num_parameters

    @property
    def training_minutes(self) -> float:  # type: ignore[override]
        """What the adapter's training took."""
        return self.origin.minutes

    def unfit(self, easel: Easel) -> str | None:
        """Say why it cannot draw with a model."""
        return refuse_unequal(easel)

    def personalize(self, case: PeerCase) -> PeerRequest:
        """Keep a coreset of the history, whatever the target."""
        count = self.policy.num_references(len(case.texts))
        kept = select_coreset(case.vectors.unit_mean_tokens, count, np.random.default_rng(case.seed))
        return case.keep(kept)

    def condition(self, easel: Easel, requests: Sequence[PeerRequest]) -> Condition:
        """What the adapter makes of targets and references."""
        return join([self._adapt(easel, request) for request in requests])

    @torch.inference_mode()
    def _adapt(self, easel: Easel, request: PeerRequest) -> Condition:
        if request.is_plain:
            return easel.encode([request.prompt])
        condition = easel.encode([request.prompt, *request.liked])
        states = condition.prompt_embeds.float()
        weights = states.new_tensor([request.weights])
        alpha = states.new_tensor([self.alpha])
        made = self.adapter.to(states.device)(states[:1], states[None, 1:], weights, alpha)
        mixed = weigh(condition, [1 - self.alpha, *(self.alpha * weight for weight in request.weights)])
        return Condition.of_states(made.to(condition.prompt_embeds.dtype), mixed.pooled_prompt_embeds)
