"""FABRIC: reference pictures, liked and disliked, read by the image model's self-attention.

Source: von Ruette et al., "FABRIC: Personalizing Diffusion Models with Iterative Feedback", 2023, and the
code that its authors published.

In a denoising step at noise level t, each reference picture z_i is brought to the same level by noise of
that step, z_i(t) = sqrt(a_t) z_i + sqrt(1 - a_t) noise_t, and goes through the UNet once, under the empty
text; the states that enter each self-attention layer are kept. In the step itself every self-attention also
reads these states, by their own keys and values and with a weight omega:

    H = softmax([Q K' / sqrt(d);  Q K_ref' / sqrt(d) + log omega]) [V; V_ref]

that is, the reference's attention times omega, made to sum to 1 again, in every layer alike. Liked pictures
are read where the image model is conditioned on the prompt, disliked ones where it is not, so that guidance
leads away from them; omega is 0.8 and half of it, in the first 0.8 of the steps, and 0 after. These are the
values of the authors' own tool. Their experiments, in which pictures add up from round to round, have 0.3 in
the same steps; their script for one round has 0.8 in the middle third and 0.05 in all others.

The references are pictures that the model itself draws from the texts of the items which the user likes most
and least, 2 of each, from seeds of their own; of what the autoencoder says of one, the mode is taken, so that
chance has no part in it. Left out: rounds of feedback on the pictures of this very target, which a log does
not have, and the catalogue's own pictures. Only for families with a UNet: elsewhere there is no
self-attention of pictures alone. Without guidance, of which the paper has no case, there is nothing for
disliked pictures to act on, and liked ones are read in the one pass that there is.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from PIL import Image
from torch import Tensor

from evaluation.peers.fabric_attention import Feedback, attend_to_pictures
from evaluation.peers.peer import Peer, PeerCase, PeerRequest
from evaluation.peers.shared_image_model import SharedImageModel
from fan_model.drawing.renderer import Painted
from fan_model.encoders.conditions import Condition

MAX_PICTURES = 2
"""Of each kind."""
MAX_KEPT = 2_000
"""Reference pictures in memory, which the next user may share."""


@dataclass(frozen=True)
class Fabric(Peer):
    """Attention to reference pictures."""

    liked_weight: float = 0.8
    disliked_weight: float = 0.4
    last_share: float = 0.8
    """Share of the steps, from the first, in which references are read."""
    _latents: dict[str, Tensor | None] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Reference pictures that were drawn, by their texts; None for one that the model refused."""

    @property
    def name(self) -> str:
        """What tables call it."""
        return "FABRIC"

    def unfit(self, image_model: SharedImageModel) -> str | None:
        """Say why it cannot draw with a model."""
        unet = getattr(image_model.pipeline, "unet", None)
        return None if isinstance(unet, UNet2DConditionModel) else "this family has no UNet"

    def personalize(self, case: PeerCase) -> PeerRequest:
        """Take the items of the highest weight, latest first among equals, and the least liked ones."""
        disliked = case.disliked[:MAX_PICTURES]
        order = np.argsort(-case.weights, kind="stable")
        liked = [case.texts[place] for place in order if case.texts[place] not in disliked][:MAX_PICTURES]
        weights = (1 / len(liked),) * len(liked) if liked else ()
        return PeerRequest(
            prompt=case.prompt, seed=case.seed, liked=tuple(liked), weights=weights, disliked=disliked
        )

    def forget(self) -> None:
        """Forget the reference pictures."""
        self._latents.clear()

    def draw(self, image_model: SharedImageModel, requests: Sequence[PeerRequest]) -> list[Painted]:
        """The pictures; each that has references is drawn by itself, for it has a UNet of its own."""
        self._draw_references(image_model, requests)
        nothing = image_model.encode_nothing()
        return [self._draw_one(image_model, request, nothing) for request in requests]

    def _draw_one(self, image_model: SharedImageModel, request: PeerRequest, nothing: Condition) -> Painted:
        liked, disliked = (self._pictures(texts) for texts in (request.liked, request.disliked))
        if not image_model.is_guided:
            disliked = []
        if not liked and not disliked:
            return super().draw(image_model, [request])[0]
        feedback = Feedback(
            pictures=torch.cat([*liked, *disliked]),
            nothing=nothing,
            weights=(self.liked_weight,) * len(liked) + (-self.disliked_weight,) * len(disliked),
            num_steps=image_model.options.steps,
            last_share=self.last_share,
            is_guided=image_model.is_guided,
        )
        return image_model.paint(
            [request.seed],
            lambda _: image_model.encode([request.prompt]),
            lambda _: image_model.encode_negative(),
            attend_to_pictures(image_model.pipeline, feedback),
            alone=True,
        )[0]

    def _pictures(self, texts: Sequence[str]) -> list[Tensor]:
        found = (self._latents[text] for text in texts)
        return [latents for latents in found if latents is not None]

    def _draw_references(self, image_model: SharedImageModel, requests: Sequence[PeerRequest]) -> None:
        """Draw the reference pictures that are not in memory."""
        wanted = list(dict.fromkeys(text for one in requests for text in (*one.liked, *one.disliked)))
        if len(self._latents) + len(wanted) > MAX_KEPT:
            self._latents.clear()
        missing = [text for text in wanted if text not in self._latents]
        seeds = [_seed(text) for text in missing]
        drawn = image_model.paint(
            seeds,
            lambda places: image_model.encode([missing[place] for place in places]),
            lambda places: image_model.encode_negative().repeat(len(places)),
        )
        self._latents.update(
            (text, _encode(image_model, picture)) for text, picture in zip(missing, drawn, strict=True)
        )


def _seed(text: str) -> int:
    """The seed of a reference picture, which follows from its text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


@torch.inference_mode()
def _encode(image_model: SharedImageModel, picture: Painted) -> Tensor | None:
    """[1, channels, height, width] latents of a picture; None if the model gave none."""
    if not isinstance(picture, Image.Image):
        return None
    codec = image_model.pipeline.vae
    pixels = torch.from_numpy(np.asarray(picture.convert("RGB"), np.float32) / 127.5 - 1)
    encoded = codec.encode(pixels.permute(2, 0, 1)[None].to(codec.device, codec.dtype))
    latents = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
    scaled: Tensor = latents * codec.config.scaling_factor
    return scaled
