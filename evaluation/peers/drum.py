"""DrUM: a transformer adapter on the text encoder's condition, after coreset selection.

Source: Kim, Ahn and Seo, "Draw Your Mind: Personalized Generation via Condition-Level Modeling in
Text-to-Image Diffusion Models", ICCV 2025, and the code that its authors published.

With c(.) the text encoder's states of a text, "" the empty text, R_i the references that a coreset of the
history keeps, w_i their weights (summing to 1) and alpha the degree of personalization, the published adapter
starts from c("") and reads the target and each reference, each under its own softmax,

    x <- LN(x + (1 - alpha) Attn(x, c(T)) + alpha sum_i w_i Attn(x, c(R_i))),   x <- LN(x + MLP(x))

ten times, as wide as the encoder, whose own last norm makes the condition z of x. It is trained once per
encoder to give captions back, from c(T) alone: loss = mean_j [1 - cos(z_j, c(T)_j)], and the same of the
pooled state. References, weights and alpha come in when it draws.

The adapter here has that attention, is two blocks deep and at most 128 wide, so that it trains in minutes on
a CPU, and corrects the mean of conditions in place of making a condition anew. With c(.) less what the
conditions of all captions have in common, and r = sum_i w_i c(R_i),

    z = A(c(T); c(R_1..k), w, alpha) = (1 - alpha) c(T) + alpha (r + f(x)),   tokens as long as the target's
    x <- x + (1 - alpha) Attn(x, c(T)) + alpha sum_i w_i Attn(x, c(R_i)),   x <- x + MLP(x)    two times

where x starts from target and mean, and norms come before each part. At alpha 0 it gives captions back
untrained, so it is trained on captions that play targets and references by lot, with

    loss = mean_j [ (1 - alpha) (1 - cos(z_j, c(T)_j)) + alpha (1 - cos(z_j, r_j)) ]

Taking away what captions have in common is this project's: cosines of whole conditions are all but 1, and an
adapter trained on them made the bundled model's pictures less like the history, not more.

The coreset, too, is this project's (`select_coreset`): references unlike one another, by the mean of their
tokens. The published code, with the preference strength W_i and CLIP's pooled state, begins with s_i = W_i
times the mean cosine to ten at random; the largest s_i is taken, and s_i becomes at most W_i cos(i, taken).
How many are kept, and alpha (0.3 there), are the study's, as for every method.

Left out: the published weights, which are of other encoders; an adapter of its own for each of several text
encoders, for here it takes their joined states; and a pooled stream: a pooled state, where a family has one,
is mixed as (1 - alpha) target + alpha references.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from evaluation.peers.condition_mixing import join, refuse_unequal, weigh
from evaluation.peers.drum_adapter import AdapterOrigin, ConditionAdapter
from evaluation.peers.peer import Peer, PeerCase, PeerRequest
from evaluation.peers.shared_image_model import SharedImageModel
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

    def unfit(self, image_model: SharedImageModel) -> str | None:
        """Say why it cannot draw with a model."""
        return refuse_unequal(image_model)

    def personalize(self, case: PeerCase) -> PeerRequest:
        """Keep a coreset of the history, whatever the target."""
        count = self.policy.num_references(len(case.texts))
        kept = select_coreset(case.vectors.unit_mean_tokens, count, np.random.default_rng(case.seed))
        return case.keep(kept)

    def condition(self, image_model: SharedImageModel, requests: Sequence[PeerRequest]) -> Condition:
        """What the adapter makes of targets and references."""
        return join([self._adapt(image_model, request) for request in requests])

    @torch.inference_mode()
    def _adapt(self, image_model: SharedImageModel, request: PeerRequest) -> Condition:
        if request.is_plain:
            return image_model.encode([request.prompt])
        condition = image_model.encode([request.prompt, *request.liked])
        states = condition.prompt_embeds.float()
        weights = states.new_tensor([request.weights])
        alpha = states.new_tensor([self.alpha])
        made = self.adapter.to(states.device)(states[:1], states[None, 1:], weights, alpha)
        mixed = weigh(condition, [1 - self.alpha, *(self.alpha * weight for weight in request.weights)])
        return Condition.of_states(made.to(condition.prompt_embeds.dtype), mixed.pooled_prompt_embeds)
