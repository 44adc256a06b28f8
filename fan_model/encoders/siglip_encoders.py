"""SigLIP's and SigLIP 2's encoders of texts and of images, as the method needs them.

Their layers are CLIP's but for the causality; their attention drops what a call says beside, so that keys and
values are recorded through the context.

Legend: b batch, n tokens or patches, w width, c channels, s side of a patch, p width of the shared space.
"""

from typing import Any

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from fan_model.encoders.personalized_encoders import ClipEncoder, ClipVisionEncoder
from fan_model.method.attention import KeysValues, SharedSum, recording
from fan_model.method.grouped_attention import GroupedAttention


class SiglipTextEncoder(ClipEncoder):
    """SigLIP's text encoder, which reads to the end of the padding and pools there."""

    is_causal = False

    @torch.no_grad()
    def pool(self, states: Tensor) -> Tensor:
        """[b, p] of normalized states [b, n, w]: the last token's, padding or not."""
        return self.stack.head(states[:, -1])

    def _forward(self, inputs: Tensor, recorder: list[KeysValues]) -> BaseModelOutput:
        with recording(recorder):
            return self.stack(input_ids=inputs, output_hidden_states=True)


class SiglipVisionEncoder(ClipVisionEncoder):
    """SigLIP's vision tower: all pictures have one size, and there is no class token."""

    @torch.no_grad()
    def pool(self, states: Tensor) -> Tensor:
        """[b, p] of normalized states [b, n, w]: what the head's probe attends."""
        return self.stack.head(states)

    def _forward(self, inputs: Tensor, recorder: list[KeysValues]) -> BaseModelOutput:
        with recording(recorder):
            return self.stack(pixel_values=inputs, output_hidden_states=True)


class SiglipPatchEncoder(SiglipVisionEncoder):
    """SigLIP 2's vision tower for pictures of any size: none is padded, so streams differ in length."""

    def _forward(self, inputs: Tensor, recorder: list[KeysValues]) -> BaseModelOutput:
        patches, shapes = split_patches(inputs, self.stack.config.patch_size)
        with recording(recorder):
            return self.stack(
                pixel_values=patches,
                pixel_attention_mask=None,
                spatial_shapes=shapes,
                output_hidden_states=True,
            )

    def _attention(self, num_tokens: int) -> SharedSum:
        block: Any = self.layers[0]
        return GroupedAttention(scaling=block.self_attn.scale, is_causal=False)


def split_patches(pixels: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Cut pictures of one size [b, c, height, width] into patches.

    Returns:
        Patches [b, n, side * side * c], row by row, and how many there are downwards and across, [b, 2].
    """
    batch, channels, height, width = pixels.shape
    down, across = height // side, width // side
    grid = pixels.reshape(batch, channels, down, side, across, side).permute(0, 2, 4, 3, 5, 1)
    return grid.reshape(batch, down * across, -1), torch.tensor([[down, across]] * batch)


def join_patches(patches: Tensor, shape: tuple[int, int], side: int) -> Tensor:
    """The picture [1, c, height, width] of its patches [n, side * side * c], of which there may be more."""
    down, across = shape
    grid = patches[: down * across].reshape(down, across, side, side, -1).permute(4, 0, 2, 1, 3)
    return grid.reshape(1, -1, down * side, across * side)
