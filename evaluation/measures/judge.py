"""The judge of pictures: a CLIP or SigLIP that looks at pictures and reads texts in one space."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fan_model.retrieval.clip import Clip

_BATCH_SIZE = 64

Input = TypeVar("Input", Image.Image, str)


@dataclass(frozen=True, kw_only=True)
class ClipJudge(Clip):
    """A CLIP or SigLIP that judges.

    Letters: N pictures or texts, d width of the shared space.
    """

    def encode_images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Unit vectors `[N, d]` of pictures of any size and mode."""
        return self._encode(images, self.image_features)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors `[N, d]` of texts, each cut at the model's length."""
        return self._encode(texts, self.text_features)

    @cached_property
    def fingerprint(self) -> str:
        """Checksum over the weights, for the same name may stand for others tomorrow."""
        digest = hashlib.sha256()
        for name, weight in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(weight.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def shares_text_encoder(self, token_embeddings: Iterable[torch.Tensor]) -> bool:
        """Whether a text encoder of an image model is the judge's own: then the judge is partial to it.

        Args:
            token_embeddings: `[vocabulary, width]` weights of each text encoder's token embedding, which
                tell one checkpoint from another.
        """
        own = self.model.text_model.embeddings.token_embedding.weight.detach().cpu()
        return any(
            own.shape == other.shape and torch.allclose(own, other.detach().cpu().float(), atol=1e-3)
            for other in token_embeddings
        )

    @torch.inference_mode()
    def _encode(
        self, inputs: Sequence[Input], features: Callable[[Sequence[Input]], torch.Tensor]
    ) -> NDArray[np.float32]:
        batches = [inputs[start : start + _BATCH_SIZE] for start in range(0, len(inputs), _BATCH_SIZE)]
        vectors: list[NDArray[np.float32]] = [
            torch.nn.functional.normalize(features(batch), dim=-1).cpu().numpy() for batch in batches
        ]
        return np.concatenate([np.empty((0, self.width), np.float32), *vectors])
