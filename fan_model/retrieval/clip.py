"""A CLIP or SigLIP with all that it reads with: one loader for who looks at pictures or texts with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from PIL import Image
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoTokenizer,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTokenizer,
    PreTrainedConfig,
    PreTrainedTokenizerBase,
    Siglip2ImageProcessorPil,
    Siglip2Model,
    SiglipImageProcessorPil,
    SiglipModel,
)

from fan_model.encoders.siglip_encoders import join_patches, split_patches
from fan_model.loading.devices import check_device

PREPROCESSING = ("preprocessor_config.json", "processor_config.json")
"""Files that say how pictures are prepared."""
MODELS: dict[str, Any] = {"clip": CLIPModel, "siglip": SiglipModel, "siglip2": Siglip2Model}
"""By the type that a folder's config.json names."""
IMAGE_PROCESSORS: dict[str, Any] = {
    "clip": CLIPImageProcessorPil,
    "siglip": SiglipImageProcessorPil,
    "siglip2": Siglip2ImageProcessorPil,
}
ImageProcessor = CLIPImageProcessorPil | SiglipImageProcessorPil | Siglip2ImageProcessorPil


class ClipError(ValueError):
    """There is no such CLIP."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A CLIP or SigLIP model with its tokenizer and its way to look at pictures.

    Legend: N pictures or texts, b pictures of one size, p width of the shared space.
    """

    model: CLIPModel | SiglipModel | Siglip2Model
    tokenizer: PreTrainedTokenizerBase
    image_processor: ImageProcessor

    @classmethod
    def from_pretrained(
        cls, name: str | Path, *, tokenizer: str | Path | None = None, device: str = "cpu"
    ) -> Self:
        """Load a CLIP, SigLIP or SigLIP 2; its weights must be safetensors.

        Args:
            name: A local folder, or an id on the hub.
            tokenizer: Folder of its tokenizer; by default its own, or the one beside it (`../tokenizer`), as
                in a pipeline's folder.
            device: Where it runs, as torch spells it.

        Pictures are prepared as its `preprocessor_config.json` says. A folder without one sees them as the
        published models of its kind do: scaled (and by CLIP cropped) to its size, in the published mean and
        deviation.

        Raises:
            ClipError: There is no such model.
            DeviceError: The device is not there.
        """
        check_device(device)
        try:
            return cls._load(name, tokenizer, device)
        except ClipError:
            raise
        except (OSError, ValueError) as error:
            raise ClipError(
                f"{name} is no CLIP that can be read here: name a folder with config.json and safetensors, "
                "or a hub id that can be reached"
            ) from error
        except ImportError as error:
            missing = next((line for line in str(error).splitlines() if line.strip()), "")
            raise ClipError(f"{name} needs what is not installed: {missing}") from error

    @classmethod
    def _load(cls, name: str | Path, tokenizer: str | Path | None, device: str) -> Self:
        config: Any = AutoConfig.from_pretrained(name, trust_remote_code=False)
        if config.model_type not in MODELS:
            raise ClipError(
                f"{name} is a model of type {config.model_type}: name one of type {', '.join(MODELS)}"
            )
        model = MODELS[config.model_type].from_pretrained(name, dtype=torch.float32, use_safetensors=True)
        torch.nn.Module.to(model, device)
        return cls(
            model=model.eval(),
            tokenizer=_load_tokenizer(tokenizer or _tokenizer_of(name), config),
            image_processor=_image_processor_of(name, config),
        )

    @property
    def width(self) -> int:
        """P."""
        config: Any = self.model.config
        return int(config.projection_dim if self._is_clip else config.text_config.projection_size)

    @property
    def num_tokens(self) -> int:
        """Tokens of a text that are read."""
        config: Any = self.model.config
        return int(
            self.tokenizer.model_max_length if self._is_clip else config.text_config.max_position_embeddings
        )

    @property
    def _is_clip(self) -> bool:
        return isinstance(self.model, CLIPModel)

    @property
    def _patch_side(self) -> int:
        config: Any = self.model.config
        return int(config.vision_config.patch_size)

    def pixels(self, images: Sequence[Image.Image]) -> list[Tensor]:
        """What the vision tower reads of pictures of any size and mode, in order: [b, 3, height, width].

        All are of one size, and one batch, where the tower has a size; else each is one of its own.
        """
        rgb = [image.convert("RGB") for image in images]
        if not rgb:
            return []
        seen = self.image_processor(rgb, return_tensors="pt").to(self.model.device)
        if not isinstance(self.model, Siglip2Model):
            return [seen["pixel_values"]]
        shapes = [tuple(shape) for shape in seen["spatial_shapes"].tolist()]
        return [
            join_patches(patches, shape, self._patch_side)
            for patches, shape in zip(seen["pixel_values"], shapes, strict=True)
        ]

    def image_features(self, images: Sequence[Image.Image]) -> Tensor:
        """Features [N, p] of pictures, as the model itself gives them, not normalized."""
        features = [self._look(batch) for batch in self.pixels(images)]
        return torch.cat([torch.empty(0, self.width, device=self.model.device), *features])

    def _look(self, pixels: Tensor) -> Tensor:
        if isinstance(self.model, Siglip2Model):
            patches, shapes = split_patches(pixels, self._patch_side)
            mask = torch.ones(patches.shape[:2], device=patches.device)
            return self.model.get_image_features(
                pixel_values=patches, pixel_attention_mask=mask, spatial_shapes=shapes
            ).pooler_output
        return self.model.get_image_features(pixel_values=pixels).pooler_output

    def text_features(self, texts: Sequence[str]) -> Tensor:
        """Features [N, p] of texts, each cut at the model's length, not normalized."""
        # SigLIP was trained on padded texts, and without a mask of the padding.
        padding = True if self._is_clip else "max_length"
        inputs = self.tokenizer(
            list(texts), padding=padding, max_length=self.num_tokens, truncation=True, return_tensors="pt"
        ).to(self.model.device)
        told = {**inputs} if self._is_clip else {"input_ids": inputs["input_ids"]}
        return self.model.get_text_features(**told).pooler_output


def _load_tokenizer(name: str | Path, config: PreTrainedConfig) -> PreTrainedTokenizerBase:
    if config.model_type == "clip":
        return CLIPTokenizer.from_pretrained(name)
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    return tokenizer


def _tokenizer_of(name: str | Path) -> str | Path:
    folder = Path(name)
    beside = folder.parent / "tokenizer"
    has_own = (folder / "tokenizer_config.json").exists() or (folder / "vocab.json").exists()
    return beside if folder.is_dir() and not has_own and beside.is_dir() else name


def _image_processor_of(name: str | Path, config: Any) -> ImageProcessor:  # noqa: ANN401 - each kind's own
    folder, kind = Path(name), config.model_type
    if not folder.is_dir() or any((folder / file).exists() for file in PREPROCESSING):
        processor: ImageProcessor = IMAGE_PROCESSORS[kind].from_pretrained(name)
        return processor
    vision = config.vision_config
    if kind == "siglip2":
        return Siglip2ImageProcessorPil(patch_size=vision.patch_size, max_num_patches=vision.num_patches)
    whole = {"height": vision.image_size, "width": vision.image_size}
    if kind == "siglip":
        return SiglipImageProcessorPil(size=whole)
    return CLIPImageProcessorPil(size={"shortest_edge": vision.image_size}, crop_size=whole)
