"""A CLIP model with all that it reads with: one loader, for whoever looks at pictures or texts with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from PIL import Image
from torch import Tensor
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

from fan_model.encoders.devices import check_device

PREPROCESSING = "preprocessor_config.json"


class ClipError(ValueError):
    """There is no such CLIP."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A CLIP model with its tokenizer and its way to look at pictures.

    Legend: N pictures, s side in pixels.
    """

    model: CLIPModel
    tokenizer: CLIPTokenizer
    image_processor: CLIPImageProcessorPil

    @classmethod
    def from_pretrained(
        cls, name: str | Path, *, tokenizer: str | Path | None = None, device: str = "cpu"
    ) -> Self:
        """Load a CLIP; its weights must be safetensors.

        Args:
            name: A local folder, or an id on the hub.
            tokenizer: Folder of its tokenizer; by default its own, or the one beside it (`../tokenizer`), as
                in a pipeline's folder.
            device: Where it runs, as torch spells it.

        Pictures are prepared as its `preprocessor_config.json` says. A folder without one sees them as the
        published CLIP models do: scaled and cropped to its size, in the published mean and deviation.

        Raises:
            ClipError: There is no such model.
            DeviceError: The device is not there.
        """
        check_device(device)
        try:
            return cls._load(name, tokenizer, device)
        except OSError as error:
            raise ClipError(
                f"{name} is no CLIP that can be read here: name a folder with config.json and safetensors, "
                "or a hub id that can be reached"
            ) from error

    @classmethod
    def _load(cls, name: str | Path, tokenizer: str | Path | None, device: str) -> Self:
        model = CLIPModel.from_pretrained(name, dtype=torch.float32, use_safetensors=True).eval()
        torch.nn.Module.to(model, device)
        return cls(
            model=model,
            tokenizer=CLIPTokenizer.from_pretrained(tokenizer or _tokenizer_of(name)),
            image_processor=_image_processor_of(name, model.config.vision_config.image_size),
        )

    def pixels(self, images: Sequence[Image.Image]) -> Tensor:
        """What the vision tower reads of pictures of any size and mode: [N, 3, s, s]."""
        rgb = [image.convert("RGB") for image in images]
        return self.image_processor(rgb, return_tensors="pt").pixel_values.to(self.model.device)


def _tokenizer_of(name: str | Path) -> str | Path:
    folder = Path(name)
    beside = folder.parent / "tokenizer"
    has_own = (folder / "tokenizer_config.json").exists() or (folder / "vocab.json").exists()
    return beside if folder.is_dir() and not has_own and beside.is_dir() else name


def _image_processor_of(name: str | Path, side: int) -> CLIPImageProcessorPil:
    folder = Path(name)
    if not folder.is_dir() or (folder / PREPROCESSING).exists():
        return CLIPImageProcessorPil.from_pretrained(name)
    return CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
