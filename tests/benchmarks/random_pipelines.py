"""Pipelines in the shapes of real ones, with random weights in halves: as large and as slow."""

from pathlib import Path

import diffusers
import torch
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from tests.fan_model.pipelines import clip_tokenizer

CLIP_L = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
CLIP_BIG_G = {
    "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20,
    "projection_dim": 1280, "hidden_act": "gelu",
}  # fmt: skip
TOKENS = {"bos_token_id": 512, "eos_token_id": 513, "pad_token_id": 513}
AUTOENCODER = {
    "block_out_channels": (128, 256, 512, 512), "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4, "layers_per_block": 2, "latent_channels": 4,
}  # fmt: skip


def stable_diffusion_1():
    """Shaped like Stable Diffusion 1.5, 512 x 512."""
    unet = diffusers.UNet2DConditionModel(
        sample_size=64,
        cross_attention_dim=768,
        attention_head_dim=8,
        block_out_channels=(320, 640, 1280, 1280),
    )
    return diffusers.StableDiffusionPipeline(
        vae=diffusers.AutoencoderKL(**AUTOENCODER, force_upcast=False),
        text_encoder=CLIPTextModel(CLIPTextConfig(**CLIP_L, **TOKENS)),
        tokenizer=clip_tokenizer(77),
        unet=unet,
        scheduler=diffusers.DPMSolverMultistepScheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def stable_diffusion_xl(layers=(1, 2, 10)):
    """Shaped like SD XL, 1024 x 1024; fewer layers of transformers are a smaller one."""
    unet = diffusers.UNet2DConditionModel(
        sample_size=128, cross_attention_dim=2048, block_out_channels=(320, 640, 1280),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(5, 10, 20), transformer_layers_per_block=layers, use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816,
    )  # fmt: skip
    return diffusers.StableDiffusionXLPipeline(
        vae=diffusers.AutoencoderKL(**AUTOENCODER, scaling_factor=0.13025, force_upcast=True),
        text_encoder=CLIPTextModel(CLIPTextConfig(**CLIP_L, **TOKENS)),
        text_encoder_2=CLIPTextModelWithProjection(CLIPTextConfig(**CLIP_BIG_G, **TOKENS)),
        tokenizer=clip_tokenizer(77),
        tokenizer_2=clip_tokenizer(77),
        unet=unet,
        scheduler=diffusers.EulerDiscreteScheduler(),
        add_watermarker=False,
    )


def save_in_halves(make, folder: Path, device: str = "cpu") -> int:
    """Save a pipeline that is made on a device; return the bytes of its weights."""
    before = torch.get_default_dtype()
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float16)
    try:
        with torch.device(device):
            pipeline = make()
    finally:
        torch.set_default_dtype(before)
    pipeline.save_pretrained(folder)
    return sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
