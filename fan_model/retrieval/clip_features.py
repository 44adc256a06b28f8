"""Personalized retrieval: a user's references fused into a query's CLIP feature.

By personalized attention (the paper's section 4.4), or by mixing the query with the mean of what the user
likes (`blend_features`), which measured better. It is searched among item features of the same CLIP, made by
`encode_texts` or `encode_images`.

Legend: N inputs, n patches, w width of the tower, p width of the shared space.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image
from torch import Tensor
from transformers import CLIPModel, SiglipModel

from fan_model.encoders.key_value_cache import KeyValueCache
from fan_model.encoders.siglip_encoders import SiglipPatchEncoder, SiglipVisionEncoder
from fan_model.encoders.text_encoders import ClipTower, Profile, SiglipTower, TextTower
from fan_model.image_references.image_profile import ImageProfile
from fan_model.image_references.image_towers import ImageTower, PooledSiglip, ProjectedClip
from fan_model.method.crowd_contrast import normalize_weights
from fan_model.method.image_personalization import ImagePersonalization
from fan_model.method.personalization import Personalization
from fan_model.method.profiling import FloatArray, ReferenceVectors
from fan_model.method.selection_policy import SelectionPolicy
from fan_model.retrieval.clip import Clip

CACHE_BYTES = 2**28


class FeatureEncoder:
    """A whole CLIP or SigLIP, both towers personalized: unit features [N, p] float32 of texts and images."""

    def __init__(self, clip: Clip) -> None:
        self._clip = clip
        self._text = _text_tower(clip)
        self._images = _image_tower(clip)
        self._vision = self._images.encoder

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """Plain text features."""
        return _unit(self._text.encode(texts).pooled)

    @torch.no_grad()
    def encode_images(self, images: Sequence[Image.Image]) -> FloatArray:
        """Plain image features."""
        batches = self._clip.pixels(images)
        return _unit(torch.cat([self._images.read(self._vision.encode(batch)) for batch in batches]))

    def personalize_text_feature(self, profiles: Sequence[Profile], how: Personalization) -> FloatArray:
        """Features of queries that take on their references, one per profile."""
        return _unit(self._text.personalize(profiles, how).pooled)

    def personalize_image_embeds(
        self,
        target: Image.Image,
        references: Sequence[Image.Image],
        weights: Sequence[float],
        how: Personalization,
    ) -> Tensor:
        """Embedding [1, p] of an image that takes on weighted reference images.

        As CLIP's vision model with projection gives it, not normalized: unCLIP draws from it.
        """
        attention = ImagePersonalization(method="attention", alpha=how.alpha, skip_layers=how.skip_layers)
        return self._images.personalize([ImageProfile.of(target, references, weights, how=attention)])

    def personalize_image_feature(
        self,
        target: Image.Image,
        references: Sequence[Image.Image],
        weights: Sequence[float],
        how: Personalization,
    ) -> FloatArray:
        """Feature [1, p] of an image that takes on weighted reference images."""
        return _unit(self.personalize_image_embeds(target, references, weights, how))

    @torch.no_grad()
    def reduce_images(self, images: Sequence[Image.Image]) -> ReferenceVectors:
        """The two vectors of each image's patches, by which tailored profiling selects."""
        made = [
            ReferenceVectors.of_tokens(self._vision.encode(batch)[-1].numpy())
            for batch in self._clip.pixels(images)
        ]
        return ReferenceVectors.join(made)

    def select_images(
        self,
        target: Image.Image,
        references: Sequence[Image.Image],
        weights: Sequence[float],
        policy: SelectionPolicy,
    ) -> list[int]:
        """Places of the references that are used for an image: by patches, as those of a text by tokens."""
        vectors = self.reduce_images([target, *references])
        return policy.select(vectors[:1], vectors[1:], weights).indices.tolist()


def _text_tower(clip: Clip) -> TextTower:
    cache = KeyValueCache(CACHE_BYTES)
    if isinstance(clip.model, CLIPModel):
        return ClipTower(clip.model, clip.tokenizer, cache)
    return SiglipTower(clip.model, clip.tokenizer, cache, clip.num_tokens)


def _image_tower(clip: Clip) -> ImageTower:
    cache = KeyValueCache(CACHE_BYTES)
    if isinstance(clip.model, CLIPModel):
        return ProjectedClip(clip.model, clip.image_processor, cache)
    kind = SiglipVisionEncoder if isinstance(clip.model, SiglipModel) else SiglipPatchEncoder
    return PooledSiglip(kind(clip.model.vision_model), clip.pixels, cache)


def blend_features(
    query: FloatArray, liked: FloatArray, weights: Sequence[float], share: float
) -> FloatArray:
    """A query's unit feature [1, p] mixed with the mean of what somebody likes.

    Args:
        query: [1, p] unit feature.
        liked: [N, p] unit features, of texts or of images.
        weights: [N] preference strengths, above 0; only their proportions matter.
        share: What the mean counts for, 0 (the query only) to 1 (the mean only).
    """
    mean = np.asarray(normalize_weights(weights), np.float32) @ liked
    return _unit(torch.from_numpy((1 - share) * query + share * _unit(torch.from_numpy(mean[None]))))


def _unit(features: Tensor | None) -> FloatArray:
    assert features is not None
    return F.normalize(features, dim=-1).numpy()
