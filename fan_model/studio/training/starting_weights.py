"""The weights that a training starts from, where it does not start from nothing."""

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from safetensors.torch import load_file
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer

from fan_model.studio.training.codec import CELLS_FILE, LinearCells
from fan_model.studio.training.tokens import read_tokenizer


@dataclass(frozen=True)
class StartingWeights:
    """The folder of another training, or of the bundled model: `pipeline`, `judge`, `cells.safetensors`."""

    folder: Path

    def tokenizer(self) -> CLIPTokenizer:
        """Load the tokenizer, which stays as it is."""
        return read_tokenizer(self.folder / "pipeline" / "tokenizer")

    def text_encoder(self) -> CLIPTextModel:
        """Load the reader."""
        return CLIPTextModel.from_pretrained(self.folder / "pipeline" / "text_encoder", dtype=torch.float32)

    def judge(self) -> CLIPModel:
        """Load the judge."""
        return CLIPModel.from_pretrained(self.folder / "judge", dtype=torch.float32)

    def cells(self) -> LinearCells:
        """Load the linear map that the painter's latents were made with."""
        return LinearCells(**load_file(self.folder / CELLS_FILE))

    def codec(self) -> AutoencoderTiny:
        """Load the codec."""
        codec: AutoencoderTiny = AutoencoderTiny.from_pretrained(self.folder / "pipeline" / "vae").float()
        return codec

    def painter(self, device: torch.device) -> UNet2DConditionModel:
        """Load the painter onto a device."""
        painter: UNet2DConditionModel = UNet2DConditionModel.from_pretrained(
            self.folder / "pipeline" / "unet"
        )
        return painter.float().to(device, memory_format=torch.channels_last)
