"""How each family's image model is given what was seen of pictures, in its pipeline's own call.

Legend: b batch, n tokens, w width, p width of the shared space.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers import DiffusionPipeline
from diffusers.models.embeddings import (
    ImageProjection,
    IPAdapterPlusImageProjection,
    MultiIPAdapterImageProjection,
)
from torch import Tensor, nn

from fan_model.encoders.conditions import PROMPT_EMBEDS
from fan_model.encoders.families import UnsupportedPipelineError
from fan_model.encoders.key_value_cache import KeyValueCache
from fan_model.encoders.text_encoders import ClipTower
from fan_model.image_references.image_parts import ImageParts
from fan_model.image_references.image_profile import ImageProfile
from fan_model.image_references.image_towers import ImageTower, PenultimateClip, ProjectedClip, SiglipPatches
from fan_model.request_errors import RequestError

IP_TOWERS: Mapping[type, type[ProjectedClip | PenultimateClip]] = {
    ImageProjection: ProjectedClip,
    IPAdapterPlusImageProjection: PenultimateClip,
}
"""What each kind of IP-Adapter reads of CLIP; others read faces, or several encoders."""


class ImageInput(ABC):
    """How a pipeline takes pictures."""

    needs_picture = False
    """Whether nothing is drawn without a picture of the target."""
    takes_one_picture = False
    """Whether the pipeline's call would mix the pictures of a batch."""
    draws_alone = False
    """Whether pictures are drawn one at a time."""

    def __init__(self, tower: ImageTower) -> None:
        self.tower = tower

    @property
    def modules(self) -> Sequence[nn.Module]:
        """All that must be on a device for pictures to be looked at there."""
        return self.tower.modules

    @abstractmethod
    def join(
        self, arguments: Mapping[str, Any], images: Sequence[ImageProfile | None], *, is_guided: bool
    ) -> dict[str, Any]:
        """What the pipeline's call takes: what it is given of b texts, and of b profiles of pictures.

        Args:
            arguments: Of the texts, by the names that the call takes.
            images: One per text, None where there is none.
            is_guided: Whether the call will be guided.

        Raises:
            RequestError: A picture is missing that is needed.
        """


class UnclipInput(ImageInput):
    """Stable unCLIP: the embedding [b, p] is a class of its UNet, beside the prompt's states."""

    needs_picture = True

    def join(
        self, arguments: Mapping[str, Any], images: Sequence[ImageProfile | None], *, is_guided: bool
    ) -> dict[str, Any]:
        """Add the embeddings."""
        return {**arguments, "image_embeds": self.tower.personalize(_all(images))}


class KandinskyInput(ImageInput):
    """Kandinsky 2.2: the embedding [b, p] is all that it is given, and that of zeros to be led away from."""

    needs_picture = True

    def join(
        self, arguments: Mapping[str, Any], images: Sequence[ImageProfile | None], *, is_guided: bool
    ) -> dict[str, Any]:
        """The embeddings alone; guided or not, the call asks for both."""
        embeds = self.tower.personalize(_all(images))
        zeros = self.tower.embed_zeros().expand(len(embeds), -1)
        return {"image_embeds": embeds, "negative_image_embeds": zeros}


class IpAdapterInput(ImageInput):
    """IP-Adapter: tokens in an attention of their own, beside the prompt's.

    Its pipelines repeat the embeddings by the size of the batch, so that each picture would see everybody's:
    they are given one at a time.
    """

    takes_one_picture = True
    draws_alone = True

    def join(
        self, arguments: Mapping[str, Any], images: Sequence[ImageProfile | None], *, is_guided: bool
    ) -> dict[str, Any]:
        """Add the one embedding; that of no picture is what guidance leads away from."""
        (profile,) = images
        nothing = self._nothing()
        embeds = nothing if profile is None else self.tower.personalize([profile])
        both = torch.cat([nothing, embeds]) if is_guided else embeds
        # A list of adapters; of each a row per picture, and in it several pictures side by side: here one.
        return {**arguments, "ip_adapter_image_embeds": [both[:, None]]}

    def _nothing(self) -> Tensor:
        """[1, ...] what the adapter learnt to take for no picture."""
        zeros = self.tower.embed_zeros()
        return torch.zeros_like(zeros) if isinstance(self.tower, ProjectedClip) else zeros


class ReduxInput(ImageInput):
    """FLUX Redux: the embedded states of all patches are tokens after the prompt's.

    diffusers' FluxPriorReduxPipeline adds up all that it is given at once, so that it is not asked.
    """

    draws_alone = True

    def __init__(self, tower: ImageTower, embedder: nn.Module) -> None:
        super().__init__(tower)
        self._embedder: Any = embedder

    @property
    def modules(self) -> Sequence[nn.Module]:
        """All that must be on a device for pictures to be looked at there."""
        return [*super().modules, self._embedder]

    @torch.no_grad()
    def join(
        self, arguments: Mapping[str, Any], images: Sequence[ImageProfile | None], *, is_guided: bool
    ) -> dict[str, Any]:
        """Join the tokens [b, n, w] to those of the prompts."""
        if not any(images):
            return dict(arguments)
        states = self.tower.personalize(_all(images))
        texts: Tensor = arguments[PROMPT_EMBEDS]
        # One at a time, so that no picture depends on its batch.
        tokens = torch.cat([self._embedder(one[None]).image_embeds for one in states])
        return {**arguments, PROMPT_EMBEDS: torch.cat([texts, tokens.to(texts)], dim=1)}


def build_image_input(
    pipeline: DiffusionPipeline, parts: ImageParts | None, cache: KeyValueCache
) -> ImageInput | None:
    """How a pipeline takes pictures, None if it takes none.

    Args:
        pipeline: Of a family that is accepted.
        parts: What looks at pictures, if that is not the pipeline's own.
        cache: What was seen of pictures.

    Raises:
        UnsupportedPipelineError: The parts belong to another pipeline, or are missing.
    """
    name = type(pipeline).__name__
    if parts is not None and parts.family.pipeline != name:
        raise UnsupportedPipelineError(
            f"{parts.family.brought_by} looks at pictures for {parts.family.pipeline}, and this is a {name}"
        )
    if name == "StableUnCLIPImg2ImgPipeline":
        return UnclipInput(ProjectedClip(pipeline.image_encoder, pipeline.feature_extractor, cache))
    if name == "KandinskyV22Pipeline":
        if parts is None:
            raise UnsupportedPipelineError(
                f"{name} draws from pictures alone: give the KandinskyV22PriorPipeline that looks at them"
            )
        return KandinskyInput(ProjectedClip(parts.encoder, parts.processor, cache))
    if parts is not None:
        return ReduxInput(SiglipPatches(parts.encoder, parts.processor, cache), parts.embedder)
    return _ip_adapter(pipeline, cache) if has_ip_adapter(pipeline) else None


def build_text_reader(parts: ImageParts | None, cache: KeyValueCache) -> ClipTower | None:
    """What reads texts beside that which looks at pictures; None where that is not another pipeline's."""
    if parts is None or parts.text_encoder is None:
        return None
    return ClipTower(parts.text_encoder, parts.tokenizer, cache)


def has_ip_adapter(pipeline: DiffusionPipeline) -> bool:
    """Whether an IP-Adapter is loaded into a pipeline's UNet."""
    unet = getattr(pipeline, "unet", None)
    return isinstance(getattr(unet, "encoder_hid_proj", None), MultiIPAdapterImageProjection)


def _ip_adapter(pipeline: DiffusionPipeline, cache: KeyValueCache) -> IpAdapterInput:
    layers = pipeline.unet.encoder_hid_proj.image_projection_layers
    kinds = [type(layer) for layer in layers]
    if len(kinds) != 1 or kinds[0] not in IP_TOWERS:
        names = " and ".join(kind.__name__ for kind in kinds)
        raise UnsupportedPipelineError(
            f"an IP-Adapter with {names} is not supported: load one IP-Adapter, plain or Plus"
        )
    if pipeline.image_encoder is None:
        raise UnsupportedPipelineError("the IP-Adapter's image_encoder is missing: load it with the adapter")
    return IpAdapterInput(IP_TOWERS[kinds[0]](pipeline.image_encoder, pipeline.feature_extractor, cache))


def _all(images: Sequence[ImageProfile | None]) -> list[ImageProfile]:
    """The profiles of a batch.

    Raises:
        RequestError: One is missing.
    """
    given = [one for one in images if one is not None]
    if len(given) < len(images):
        raise RequestError(
            f"images must be given for each prompt of a batch: they are for {len(given)} of {len(images)}"
        )
    return given
