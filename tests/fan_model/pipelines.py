"""Whole pipelines of every family, real but tiny and random."""

import diffusers
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

END_TOKEN = 513


def clip_tokenizer(num_tokens=24):
    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=[])
    tokenizer.model_max_length = num_tokens
    return tokenizer


def clip_text_model(kind=CLIPTextModel, width=32, num_layers=3, projection=32, num_tokens=24):
    torch.manual_seed(width)
    return kind(
        CLIPTextConfig(
            vocab_size=END_TOKEN + 1,
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=num_layers,
            num_attention_heads=4,
            max_position_embeddings=num_tokens,
            projection_dim=projection,
            bos_token_id=END_TOKEN - 1,
            eos_token_id=END_TOKEN,
            pad_token_id=END_TOKEN,
        )
    ).eval()


def t5_tokenizer(num_tokens=24):
    letters = "▁abcdefghijklmnopqrstuvwxyz0123456789,.()"
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((letter, -2.0) for letter in letters)]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=num_tokens)


def t5_model(width=64, num_layers=3):
    torch.manual_seed(width)
    config = T5Config(
        vocab_size=64,
        d_model=width,
        d_kv=16,
        d_ff=64,
        num_layers=num_layers,
        num_heads=4,
        feed_forward_proj="gated-gelu",
    )
    return T5EncoderModel(config).eval()


def unet(cross_attention_dim, **extra):
    torch.manual_seed(0)
    return diffusers.UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(8, 16),
        norm_num_groups=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
        cross_attention_dim=cross_attention_dim,
        **extra,
    )


def vae(**extra):
    torch.manual_seed(0)
    shape = {
        "block_out_channels": (8, 8),
        "norm_num_groups": 4,
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "latent_channels": 4,
    }
    return diffusers.AutoencoderKL(**shape | extra)


def strict_safety_checker():
    """A safety checker to whom every picture is like what it must not be."""
    torch.manual_seed(0)
    vision = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4}
    checker = StableDiffusionSafetyChecker(
        CLIPConfig(vision_config={**vision, "image_size": 32, "patch_size": 8, "projection_dim": 16})
    ).eval()
    with torch.no_grad():
        checker.concept_embeds_weights.fill_(-1.0)
    return checker


def strict_stable_diffusion():
    """Stable Diffusion that refuses all it draws."""
    size = {"height": 32, "width": 32}
    return diffusers.StableDiffusionPipeline(
        **stable_diffusion(num_tokens=77).components
        | {
            "safety_checker": strict_safety_checker(),
            "feature_extractor": CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=size),
        }
    )


def stable_diffusion(num_tokens=24):
    return diffusers.StableDiffusionPipeline(
        vae=vae(),
        text_encoder=clip_text_model(num_tokens=num_tokens),
        tokenizer=clip_tokenizer(num_tokens),
        unet=unet(32),
        scheduler=diffusers.DPMSolverMultistepScheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def stable_diffusion_xl():
    width = 32 + 40
    return diffusers.StableDiffusionXLPipeline(
        vae=vae(),
        text_encoder=clip_text_model(),
        text_encoder_2=clip_text_model(CLIPTextModelWithProjection, width=40, num_layers=4, projection=24),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        unet=unet(
            width,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + 24,
        ),
        scheduler=diffusers.EulerDiscreteScheduler(),
        add_watermarker=False,
    )


def stable_diffusion_3(*, with_t5=True):
    torch.manual_seed(0)
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=80,
        caption_projection_dim=32,
        pooled_projection_dim=32 + 24,
        out_channels=4,
    )
    return diffusers.StableDiffusion3Pipeline(
        transformer=transformer,
        vae=vae(use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.06),
        text_encoder=clip_text_model(CLIPTextModelWithProjection),
        text_encoder_2=clip_text_model(CLIPTextModelWithProjection, width=40, num_layers=4, projection=24),
        text_encoder_3=t5_model(width=80) if with_t5 else None,
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        tokenizer_3=t5_tokenizer() if with_t5 else None,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )


def stable_diffusion_3_without_t5():
    return stable_diffusion_3(with_t5=False)


def flux():
    torch.manual_seed(0)
    transformer = diffusers.FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=64,
        pooled_projection_dim=32,
        axes_dims_rope=(4, 4, 8),
    )
    return diffusers.FluxPipeline(
        transformer=transformer,
        vae=vae(use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.06),
        text_encoder=clip_text_model(),
        text_encoder_2=t5_model(),
        tokenizer=clip_tokenizer(),
        tokenizer_2=t5_tokenizer(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )


FAMILIES = {
    "SD": stable_diffusion,
    "SD XL": stable_diffusion_xl,
    "SD 3": stable_diffusion_3,
    "SD 3 without T5": stable_diffusion_3_without_t5,
    "FLUX": flux,
}
