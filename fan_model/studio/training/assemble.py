"""Put the trained parts together: the pipeline that draws, and the judge beside it."""

import json
from pathlib import Path
from typing import Any, cast

import torch
from diffusers import (
    AutoencoderTiny,
    DPMSolverMultistepScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from PIL import Image
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from fan_model.loading.own_sampling import OwnSampling, write_statement
from fan_model.studio.training.painter import DRAWING_STEPS, SCHEDULE


def text_encoder_of(clip: CLIPModel) -> CLIPTextModel:
    """Return the text tower of a CLIP model as a model of its own."""
    tower = CLIPTextModel(cast(CLIPTextConfig, clip.config.text_config))
    tower.load_state_dict(clip.text_model.state_dict())
    return tower


def save_pipeline(
    folder: Path,
    tokenizer: CLIPTokenizer,
    text_encoder: CLIPTextModel,
    codec: AutoencoderTiny,
    painter: UNet2DConditionModel,
) -> None:
    """Write the pipeline in half precision, as safetensors."""
    _forget_lengths(tokenizer)
    pipeline = StableDiffusionPipeline(
        vae=codec.to("cpu", torch.float16),
        text_encoder=text_encoder.cpu().half(),
        tokenizer=tokenizer,
        unet=painter.to("cpu", torch.float16),
        scheduler=DPMSolverMultistepScheduler(**SCHEDULE, algorithm_type="dpmsolver++", solver_order=2),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    for part in "vae", "unet":
        _forget_origin(folder / part / "config.json")
    write_statement(folder, OwnSampling(DRAWING_STEPS, 1.0, is_distilled=True))


def save_judge(folder: Path, tokenizer: CLIPTokenizer, judge: CLIPModel) -> None:
    """Write the judge in half precision, with its tokenizer and how it was shown pictures."""
    _forget_lengths(tokenizer)
    judge.cpu().half()
    towers: list[Any] = [judge.config.text_config, judge.config.vision_config]
    for tower in towers:
        # Kept in halves; who reads a tower alone is to read it in single precision.
        tower.dtype = torch.float32
    judge.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    image_processor_of(judge).save_pretrained(folder)


def _forget_lengths(tokenizer: CLIPTokenizer) -> None:
    """Take back what its last call padded and cut to: it would be saved, and hold for whoever loads it."""
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()


def _forget_origin(file: Path) -> None:
    """Take the folder that a part's training started from out of its configuration."""
    config = json.loads(file.read_text(encoding="utf-8"))
    config.pop("_name_or_path", None)
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def image_processor_of(judge: CLIPModel) -> CLIPImageProcessorPil:
    """Return what prepares pictures as in training: averaged to its size, with values from -1 to 1."""
    vision: Any = judge.config.vision_config
    side: int = vision.image_size
    return CLIPImageProcessorPil(
        size={"height": side, "width": side},
        crop_size={"height": side, "width": side},
        do_center_crop=False,
        resample=Image.Resampling.BOX,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
