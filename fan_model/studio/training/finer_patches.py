"""A CLIP model that sees smaller patches than the one it starts from: small motifs want fine eyes."""

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import CLIPModel

_KERNEL = "vision_model.embeddings.patch_embedding.weight"
_PLACES = "vision_model.embeddings.position_embedding.weight"


def with_finer_patches(clip: CLIPModel, patch_pixels: int) -> CLIPModel:
    """Return a model of smaller patches with the weights of one of larger ones, to be trained on.

    A patch is seen by the means of the old kernel's weights, and its place is put between the old places.
    What comes after the patches stays, and so does the text tower.

    Args:
        clip: the model; it is returned as it is if its patches are as small already.
        patch_pixels: side of the new patches; it divides that of the old ones.

    Raises:
        ValueError: if it does not.
    """
    vision: Any = clip.config.vision_config
    if vision.patch_size == patch_pixels:
        return clip
    if vision.patch_size % patch_pixels:
        raise ValueError(f"patches of {vision.patch_size} pixels cannot be parted into {patch_pixels}")
    config: Any = copy.deepcopy(clip.config)
    config.vision_config.patch_size = patch_pixels
    finer, weights = CLIPModel(config), clip.state_dict()
    weights[_KERNEL] = F.avg_pool2d(weights[_KERNEL], vision.patch_size // patch_pixels)
    weights[_PLACES] = _between(weights[_PLACES], vision.image_size // patch_pixels)
    finer.load_state_dict(weights)
    return finer


def _between(places: Tensor, num_a_side: int) -> Tensor:
    """Embeddings of the places of a finer grid, [1 + n², d], from those of a coarser one; the first stays."""
    first, grid = places[:1], places[1:]
    old = round(len(grid) ** 0.5)
    square = grid.T.reshape(1, -1, old, old)
    size = (num_a_side, num_a_side)
    finer = F.interpolate(square, size=size, mode="bilinear", align_corners=False)
    return torch.cat([first, finer.flatten(2)[0].T])
