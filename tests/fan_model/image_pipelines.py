"""Image encoders, and whole pipelines that take pictures: real but tiny and random."""

import diffusers
import numpy as np
import torch
from diffusers.pipelines.stable_diffusion import StableUnCLIPImageNormalizer
from PIL import Image
from safetensors.torch import save_file
from transformers import (
    CLIPImageProcessor,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    SiglipImageProcessor,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from tests.fan_model import pipelines

SIDE, WIDTH = 16, 32
EMBEDDING = 48
"""As those of real models a multiple of 16, of which torch draws the same noise in all number types."""
SHAPE = {
    "hidden_size": WIDTH,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": SIDE,
    "patch_size": 8,
}


def picture(seed, size=(20, 28)):
    """A small picture of noise, unlike others in its colours."""
    generator = np.random.default_rng(seed)
    colour = generator.integers(0, 256, 3)
    noise = generator.integers(-60, 60, (*size, 3))
    return Image.fromarray((colour + noise).clip(0, 255).astype(np.uint8))


def clip_vision():
    torch.manual_seed(3)
    return CLIPVisionModelWithProjection(CLIPVisionConfig(**SHAPE, projection_dim=EMBEDDING)).eval()


def clip_processor():
    return CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})


def siglip_vision():
    torch.manual_seed(4)
    return SiglipVisionModel(SiglipVisionConfig(**SHAPE)).eval()


def siglip_processor():
    return SiglipImageProcessor(size={"height": SIDE, "width": SIDE})


def unclip():
    torch.manual_seed(0)
    return diffusers.StableUnCLIPImg2ImgPipeline(
        feature_extractor=clip_processor(),
        image_encoder=clip_vision(),
        image_normalizer=StableUnCLIPImageNormalizer(embedding_dim=EMBEDDING),
        image_noising_scheduler=diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        tokenizer=pipelines.clip_tokenizer(),
        text_encoder=pipelines.clip_text_model(),
        unet=pipelines.unet(
            32, class_embed_type="projection", projection_class_embeddings_input_dim=2 * EMBEDDING
        ),
        scheduler=diffusers.DDIMScheduler(clip_sample=False),
        vae=pipelines.vae(),
    )


def kandinsky():
    torch.manual_seed(0)
    decoder = diffusers.UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=8,
        layers_per_block=1,
        block_out_channels=(8, 16),
        norm_num_groups=8,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        attention_head_dim=4,
        cross_attention_dim=16,
        addition_embed_type="image",
        encoder_hid_dim=EMBEDDING,
        encoder_hid_dim_type="image_proj",
        resnet_time_scale_shift="scale_shift",
        class_embed_type=None,
    )
    movq = diffusers.VQModel(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1,
        latent_channels=4,
        num_vq_embeddings=8,
        norm_num_groups=4,
        vq_embed_dim=4,
    )
    return diffusers.KandinskyV22Pipeline(
        unet=decoder, scheduler=diffusers.DDPMScheduler(variance_type="learned_range"), movq=movq
    )


def kandinsky_prior():
    torch.manual_seed(0)
    prior = diffusers.PriorTransformer(
        num_attention_heads=2,
        attention_head_dim=EMBEDDING // 2,
        embedding_dim=EMBEDDING,
        num_layers=1,
        num_embeddings=24,
    )
    return diffusers.KandinskyV22PriorPipeline(
        prior=prior,
        image_encoder=clip_vision(),
        text_encoder=pipelines.clip_text_model(CLIPTextModelWithProjection, projection=EMBEDDING),
        tokenizer=pipelines.clip_tokenizer(),
        scheduler=diffusers.UnCLIPScheduler(prediction_type="sample"),
        image_processor=clip_processor(),
    )


def redux():
    torch.manual_seed(0)
    return diffusers.FluxPriorReduxPipeline(
        image_encoder=siglip_vision(),
        feature_extractor=siglip_processor(),
        image_embedder=diffusers.pipelines.flux.modeling_flux.ReduxImageEncoder(
            redux_dim=WIDTH, txt_in_features=64
        ),
    )


def ip_adapter(unet, *, plus=False):
    """Weights of an IP-Adapter for a UNet, by the names of such files."""
    torch.manual_seed(5)
    width = unet.config.cross_attention_dim
    state = _resampler(width) if plus else _projection(width)
    state = {f"image_proj.{name}": tensor for name, tensor in state.items()}
    key = 1
    for name in unet.attn_processors:
        if not name.endswith("attn2.processor"):
            continue
        inner = unet.get_submodule(name.removesuffix(".processor")).to_q.out_features
        for part in ("to_k_ip", "to_v_ip"):
            state[f"ip_adapter.{key}.{part}.weight"] = torch.randn(inner, width)
        key += 2
    return state


def _projection(width, num_tokens=4):
    return {
        "proj.weight": torch.randn(num_tokens * width, EMBEDDING),
        "proj.bias": torch.randn(num_tokens * width),
        "norm.weight": torch.ones(width),
        "norm.bias": torch.zeros(width),
    }


def _resampler(width, num_tokens=4, inner=64, num_layers=4):
    """IP-Adapter Plus, as its own files name it."""
    layer = {
        "0.norm1": (inner,), "0.norm2": (inner,), "0.to_q": (64, inner), "0.to_kv": (128, inner),
        "0.to_out": (inner, 64), "1.0": (inner,), "1.1": (4 * inner, inner), "1.3": (inner, 4 * inner),
    }  # fmt: skip
    layers = {f"layers.{place}.{name}": shape for place in range(num_layers) for name, shape in layer.items()}
    outer = {"proj_in": (inner, WIDTH), "proj_out": (width, inner), "norm_out": (width,)}
    state = {"latents": torch.randn(1, num_tokens, inner)}
    for name, shape in {**outer, **layers}.items():
        is_norm = len(shape) == 1
        state[f"{name}.weight"] = torch.ones(shape) if is_norm else torch.randn(shape) * 0.2
        if is_norm or name in ("proj_in", "proj_out"):
            state[f"{name}.bias"] = torch.zeros(shape[0])
    return state


def save_ip_adapter(folder, unet, *, plus=False):
    """Save an IP-Adapter's file and its image encoder; return where they are."""
    file = folder / "ip-adapter.safetensors"
    save_file(ip_adapter(unet, plus=plus), file)
    clip_vision().save_pretrained(folder / "image_encoder")
    return file, folder / "image_encoder"
