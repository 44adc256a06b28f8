"""Image encoders with their processors and the cache: pictures in, what the encoder sees of them out.

Legend: b batch, n patches, w width, p width of the shared space. `[b, ...]` is what a family takes: an
embedding [b, p], or the states of all patches [b, n, w].
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from fan_model.encoders.key_value_cache import KeyValueCache
from fan_model.encoders.personalized_encoders import (
    ClipVisionEncoder,
    Stream,
    first_personalized_layer,
)
from fan_model.encoders.siglip_encoders import SiglipVisionEncoder
from fan_model.encoders.text_encoders import Profile, preference_of
from fan_model.image_references.image_profile import ImageProfile, Picture

PICTURES_AT_A_TIME = 16
"""Looked at together, which bounds the memory that many of them take."""
ToPixels = Callable[[Sequence[Image.Image]], Sequence[Tensor]]
ROWS_MULTIPLE = 4
"""Pictures are looked at in multiples of this, the last one repeated: left-over rows of a matrix product are
worked differently, so that an embedding would depend on its batch in its last bit."""


@dataclass(frozen=True)
class Look:
    """What the encoder sees of one picture."""

    embedding: Tensor
    """[...] as the family takes it, of one picture."""

    @property
    def num_bytes(self) -> int:
        """Memory that it holds."""
        return self.embedding.nbytes


class ImageTower(ABC):
    """An image encoder, its processor, and the cache of what it has seen; may be shared between threads.

    Args:
        encoder: The encoder with personalized attention.
        processor: How pictures become pixels, as transformers has it.
        cache: What was seen of pictures, by their digests.
    """

    def __init__(
        self,
        encoder: ClipVisionEncoder,
        processor: Any,  # noqa: ANN401 - each encoder has its own
        cache: KeyValueCache,
    ) -> None:
        self.encoder, self._processor, self._cache = encoder, processor, cache

    @abstractmethod
    def read(self, hidden_states: Sequence[Tensor]) -> Tensor:
        """What the family takes [b, ...], of the encoder's hidden states."""

    @property
    def modules(self) -> Sequence[nn.Module]:
        """All that must be on a device for pictures to be looked at there."""
        return [self.encoder.stack]

    @property
    def embedding_width(self) -> int | None:
        """Length of the one vector that the family takes of a picture; None: it takes all patches' states."""
        return None

    def embed(self, pictures: Sequence[Picture]) -> Tensor:
        """[b, ...] the plain embedding of each picture."""
        return self._looks({one.digest: one for one in pictures}, [one.digest for one in pictures])

    def personalize(self, profiles: Sequence[ImageProfile]) -> Tensor:
        """[b, ...] the embedding of each target's picture in its profile; no two of them meet."""
        return torch.cat([self._personalize(profile) for profile in profiles])

    def embed_zeros(self) -> Tensor:
        """[1, ...] the embedding of pixels that are all 0, which stand for no picture."""
        key = (id(self), "look", "")  # no picture's digest is empty
        return self._cache.get([key], lambda _: [Look(self._look_at_zeros())])[key].embedding[None]

    def _personalize(self, profile: ImageProfile) -> Tensor:
        named, how, pictures = profile.by_digest, profile.how.shares, profile.pictures
        texts, _ = named.sources(how)
        first_layer = first_personalized_layer(how.skip_layers)
        attends = profile.how.method == "attention"
        if not texts or (attends and first_layer >= len(self.encoder.layers)):
            return self._looks(pictures, [named.target])
        if attends:
            return self._attend(named, profile, first_layer)
        looks = self._looks(pictures, [named.target, *texts])
        shares = torch.tensor(named.shares(how), dtype=torch.float32, device=looks.device)
        return torch.tensordot(shares, looks.float(), dims=1)[None].to(looks.dtype)

    @torch.no_grad()
    def _attend(self, named: Profile, profile: ImageProfile, first_layer: int) -> Tensor:
        how = profile.how.shares
        streams = self._streams(profile.pictures, [named.target, *named.sources(how)[0]], first_layer)
        preference = preference_of(named, how, streams)
        # Alone, so that it does not depend on its batch.
        states = self.encoder.personalize([preference], alpha=how.alpha, skip_layers=how.skip_layers)
        return self.read(states)

    def _looks(self, pictures: Mapping[str, Picture], digests: Sequence[str]) -> Tensor:
        """[b, ...] the plain embeddings of some pictures."""

        def look(missing: Sequence[tuple[int, str, str]]) -> list[Look]:
            some = [pictures[digest] for *_, digest in missing]
            known = [self._known(one) for one in some]
            seen = iter(self._look_at([one for one, look in zip(some, known, strict=True) if look is None]))
            return [look or next(seen) for look in known]

        keys = [(id(self), "look", digest) for digest in digests]
        looks = self._cache.get(keys, look)
        return torch.stack([looks[key].embedding for key in keys])

    def _known(self, picture: Picture) -> Look | None:
        """What was seen of a picture before, None if it must be looked at."""
        if self.embedding_width is None or picture.embedding is None:
            return None
        return Look(torch.tensor(picture.embedding).to(self.encoder.device, self.encoder.stack.dtype))

    def _look_at(self, pictures: Sequence[Picture]) -> list[Look]:
        return [
            Look(embedding.clone())
            for pixels, count in self._batches(pictures)
            for embedding in self._plain(pixels)[:count]
        ]

    def _look_at_zeros(self) -> Tensor:
        side = self.encoder.stack.config.image_size
        pixels = torch.zeros(1, 3, side, side, device=self.encoder.device, dtype=self.encoder.stack.dtype)
        return self._plain(pixels)[0]

    @torch.no_grad()
    def _plain(self, pixels: Tensor) -> Tensor:
        return self.read(self.encoder.encode(pixels))

    def _streams(
        self, pictures: Mapping[str, Picture], digests: Sequence[str], first_layer: int
    ) -> dict[str, Stream]:
        def record(missing: Sequence[tuple[int, int, str]]) -> list[Stream]:
            return [
                stream
                for pixels, count in self._batches([pictures[digest] for *_, digest in missing])
                for stream in self.encoder.record(pixels, first_layer=first_layer)[:count]
            ]

        keys = [(id(self), first_layer, digest) for digest in digests]
        return {digest: stream for (*_, digest), stream in self._cache.get(keys, record).items()}

    def _batches(self, pictures: Sequence[Picture]) -> list[tuple[Tensor, int]]:
        """Pixels of a few pictures at a time, filled up, and how many of them are wanted."""
        starts = range(0, len(pictures), PICTURES_AT_A_TIME)
        some = [[one.pixels for one in pictures[start : start + PICTURES_AT_A_TIME]] for start in starts]
        return [(self._pixels(_fill(images)), len(images)) for images in some]

    def _pixels(self, images: Sequence[Image.Image]) -> Tensor:
        pixels: Tensor = self._processor(images=list(images), return_tensors="pt").pixel_values
        return pixels.to(self.encoder.device, self.encoder.stack.dtype)


class ProjectedClip(ImageTower):
    """CLIP's embedding in the space that it shares with texts, not normalized: [b, p]."""

    def __init__(self, model: Any, processor: Any, cache: KeyValueCache) -> None:  # noqa: ANN401
        super().__init__(ClipVisionEncoder(model.vision_model), processor, cache)
        self._projection = model.visual_projection

    @property
    def embedding_width(self) -> int | None:
        """See `ImageTower`."""
        return int(self._projection.out_features)

    def read(self, hidden_states: Sequence[Tensor]) -> Tensor:
        """See `ImageTower`."""
        return self._projection(self.encoder.normalize(hidden_states[-1][:, 0]))


class PooledSiglip(ImageTower):
    """SigLIP's embedding in the space that it shares with texts, not normalized: [b, p].

    Args:
        encoder: SigLIP's, or SigLIP 2's, whose pictures need not have one size.
        pixels: How pictures become batches of pixels, each of one size.
        cache: What was seen of pictures, by their digests.
    """

    def __init__(self, encoder: SiglipVisionEncoder, pixels: ToPixels, cache: KeyValueCache) -> None:
        super().__init__(encoder, None, cache)
        self._pool, self._to_pixels = encoder.pool, pixels

    def read(self, hidden_states: Sequence[Tensor]) -> Tensor:
        """See `ImageTower`."""
        return self._pool(self.encoder.normalize(hidden_states[-1]))

    def _batches(self, pictures: Sequence[Picture]) -> list[tuple[Tensor, int]]:
        """Each picture by itself, for its size may be its own."""
        return [(pixels, 1) for one in pictures for pixels in self._to_pixels([one.pixels])]


class PenultimateClip(ImageTower):
    """CLIP's states before the last layer, the class token and all patches: [b, n, w]."""

    def __init__(self, model: Any, processor: Any, cache: KeyValueCache) -> None:  # noqa: ANN401
        super().__init__(ClipVisionEncoder(model.vision_model), processor, cache)

    def read(self, hidden_states: Sequence[Tensor]) -> Tensor:
        """See `ImageTower`."""
        return hidden_states[-2]


class SiglipPatches(ImageTower):
    """SigLIP's last states after the norm, of all patches: [b, n, w]."""

    def __init__(self, model: Any, processor: Any, cache: KeyValueCache) -> None:  # noqa: ANN401
        super().__init__(SiglipVisionEncoder(model), processor, cache)

    def read(self, hidden_states: Sequence[Tensor]) -> Tensor:
        """See `ImageTower`."""
        return self.encoder.normalize(hidden_states[-1])


def _fill(images: list[Image.Image]) -> list[Image.Image]:
    return [*images, *[images[-1]] * (-len(images) % ROWS_MULTIPLE)]
