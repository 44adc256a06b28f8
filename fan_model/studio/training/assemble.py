"""Put the trained parts together: the pipeline that draws, and the judge beside it."""

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

from fan_model.studio.training.painter import SCHEDULE


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


def save_judge(folder: Path, tokenizer: CLIPTokenizer, judge: CLIPModel) -> None:
    """Write the judge in half precision, with its tokenizer and how it was shown pictures."""
    judge.cpu().half().save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    image_processor_of(judge).save_pretrained(folder)


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
