"""Whole pipelines that read prompts with language models or masked T5, real but tiny and random."""

import inspect

import diffusers
import torch
import transformers
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import TemplateProcessing
from transformers import GemmaTokenizer, Qwen2Tokenizer

from tests.fan_model.pipelines import t5_tokenizer, vae

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}{{ part['text'] }}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CHANNELS_LAST = {"use_quant_conv": False, "use_post_quant_conv": False, "shift_factor": 0.06}
DECODER = {
    "vocab_size": 320,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "pad_token_id": 0,
    "max_position_embeddings": 2048,
}


def sharp(model):
    """A random model whose attention differs from place to place, and whose norms are no ones."""
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if any(part in name for part in ("q_proj.weight", "k_proj.weight", ".q.weight", ".k.weight")):
            parameter.data.mul_(8)
        elif any(part in name for part in ("v_proj.weight", "o_proj.weight")):
            parameter.data.mul_(5)
        elif "embed_tokens" in name or "shared" in name:
            parameter.data.mul_(20)
        elif "norm" in name:
            parameter.data.add_(torch.randn_like(parameter) * 0.1)
        elif "relative_attention_bias" in name:
            parameter.data.normal_()
    return model.eval()


def byte_vocabulary(*special):
    return {token: place for place, token in enumerate((*special, *sorted(ByteLevel.alphabet())))}


def qwen_tokenizer(padding_side="right"):
    special = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    tokenizer = Qwen2Tokenizer(vocab=byte_vocabulary(*special), merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": list(special[1:])})
    tokenizer.chat_template = CHAT
    tokenizer.padding_side = padding_side
    return tokenizer


def gemma_tokenizer(padding_side="right"):
    letters = "▁abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?'\"()<>-*\n"
    special = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")
    vocabulary = {token: place for place, token in enumerate((*special, *letters))}
    tokenizer = GemmaTokenizer(vocab=vocabulary, merges=[])
    # Sana's instruction is long: letter by letter, it would be longer than with any real tokenizer.
    instruction = inspect.signature(diffusers.SanaPipeline.__call__).parameters["complex_human_instruction"]
    trained = tokenizer.train_new_from_iterator(["\n".join(instruction.default)] * 2, vocab_size=320)
    trained._tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", trained.bos_token_id)]
    )
    trained.padding_side = padding_side
    return trained


def qwen3(num_layers=4, kind=transformers.Qwen3Model):
    torch.manual_seed(3)
    return sharp(kind(transformers.Qwen3Config(**DECODER, num_hidden_layers=num_layers)))


def gemma2(window=4096):
    torch.manual_seed(4)
    config = transformers.Gemma2Config(
        **DECODER,
        num_hidden_layers=4,
        query_pre_attn_scalar=8,
        attn_logit_softcapping=5.0,
        sliding_window=window,
    )
    return sharp(transformers.Gemma2Model(config))


def mistral3(num_layers=31):
    torch.manual_seed(5)
    vision = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "image_size": 16, "patch_size": 4, "head_dim": 8,
    }  # fmt: skip
    text = {**DECODER, "num_hidden_layers": num_layers, "model_type": "mistral", "sliding_window": None}
    config = transformers.Mistral3Config(text_config=text, vision_config={**vision, "model_type": "pixtral"})
    return sharp(transformers.Mistral3ForConditionalGeneration(config))


def qwen_vl():
    torch.manual_seed(6)
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]}
    text = {**DECODER, "num_hidden_layers": 4, "rope_parameters": rope}
    vision = {"depth": 1, "hidden_size": 16, "num_heads": 2, "intermediate_size": 16, "out_hidden_size": 32}
    config = transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision)
    return sharp(transformers.Qwen2_5_VLForConditionalGeneration(config))


def z_image():
    torch.manual_seed(0)
    transformer = diffusers.ZImageTransformer2DModel(
        in_channels=4, dim=32, n_layers=1, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=32,
        axes_dims=[8, 4, 4], axes_lens=[1024, 64, 64],
    )  # fmt: skip
    for parameter in transformer.parameters():  # parts of it are made without values
        torch.nn.init.normal_(parameter, std=0.1)
    return diffusers.ZImagePipeline(
        transformer=transformer.eval(),
        vae=vae(**CHANNELS_LAST),
        text_encoder=qwen3(),
        tokenizer=qwen_tokenizer(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )


def flux2_parts(joint_attention_dim):
    torch.manual_seed(0)
    transformer = diffusers.Flux2Transformer2DModel(
        in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=joint_attention_dim, timestep_guidance_channels=16, axes_dims_rope=(4, 4, 4, 4),
    )  # fmt: skip
    return {
        "transformer": transformer.eval(),
        "vae": diffusers.AutoencoderKLFlux2(
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
            block_out_channels=(8, 8), layers_per_block=1, latent_channels=4, norm_num_groups=4,
            use_quant_conv=False, use_post_quant_conv=False,
        ).eval(),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
    }  # fmt: skip


def flux2_klein():
    parts = flux2_parts(3 * 32)
    return diffusers.Flux2KleinPipeline(
        **parts, text_encoder=qwen3(28, transformers.Qwen3ForCausalLM), tokenizer=qwen_tokenizer()
    )


def flux2():
    return diffusers.Flux2Pipeline(
        **flux2_parts(3 * 32), text_encoder=mistral3(), tokenizer=qwen_tokenizer("left")
    )


def qwen_image():
    torch.manual_seed(0)
    transformer = diffusers.QwenImageTransformer2DModel(
        in_channels=16, out_channels=4, num_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=32, axes_dims_rope=(8, 4, 4),
    )  # fmt: skip
    torch.manual_seed(0)
    autoencoder = diffusers.AutoencoderKLQwenImage(
        base_dim=8, z_dim=4, dim_mult=[1, 1], num_res_blocks=1, temperal_downsample=[False],
        latents_mean=[0.0] * 4, latents_std=[1.0] * 4,
    )  # fmt: skip
    return diffusers.QwenImagePipeline(
        transformer=transformer.eval(),
        vae=autoencoder.eval(),
        text_encoder=qwen_vl(),
        tokenizer=qwen_tokenizer(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )


def sana():
    torch.manual_seed(0)
    transformer = diffusers.SanaTransformer2DModel(
        in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=8, num_layers=1,
        num_cross_attention_heads=2, cross_attention_head_dim=8, cross_attention_dim=16, caption_channels=32,
        sample_size=16,
    )  # fmt: skip
    autoencoder = diffusers.AutoencoderDC(
        latent_channels=4, attention_head_dim=4, encoder_block_types=("ResBlock", "ResBlock"),
        decoder_block_types=("ResBlock", "ResBlock"), encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8), encoder_layers_per_block=(1, 1), decoder_layers_per_block=(1, 1),
        encoder_qkv_multiscales=((), ()), decoder_qkv_multiscales=((), ()),
        decoder_norm_types="rms_norm", decoder_act_fns="silu",
    )  # fmt: skip
    return diffusers.SanaPipeline(
        transformer=transformer.eval(),
        vae=autoencoder.eval(),
        text_encoder=gemma2(),
        tokenizer=gemma_tokenizer(),
        scheduler=diffusers.DPMSolverMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
    )


def lumina2():
    torch.manual_seed(0)
    transformer = diffusers.Lumina2Transformer2DModel(
        sample_size=16, in_channels=4, hidden_size=32, num_layers=1, num_refiner_layers=1,
        num_attention_heads=2, num_kv_heads=1, multiple_of=16, axes_dim_rope=(8, 4, 4),
        axes_lens=(300, 64, 64), cap_feat_dim=32,
    )  # fmt: skip
    return diffusers.Lumina2Pipeline(
        transformer=transformer.eval(),
        vae=vae(
            **CHANNELS_LAST,
            block_out_channels=(8,) * 4,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
        ),
        text_encoder=gemma2(window=16),
        tokenizer=gemma_tokenizer(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )


def cogview4():
    torch.manual_seed(0)
    transformer = diffusers.CogView4Transformer2DModel(
        in_channels=4, out_channels=4, num_layers=1, attention_head_dim=8, num_attention_heads=2,
        text_embed_dim=32, time_embed_dim=16, condition_dim=8, sample_size=16, rope_axes_dim=(16, 16),
    )  # fmt: skip
    torch.manual_seed(8)
    text_encoder = sharp(transformers.GlmModel(transformers.GlmConfig(**DECODER, num_hidden_layers=3)))
    return diffusers.CogView4Pipeline(
        transformer=transformer.eval(),
        vae=vae(**CHANNELS_LAST, scaling_factor=1.0),
        text_encoder=text_encoder,
        tokenizer=gemma_tokenizer("left"),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )


def t5(kind=transformers.T5EncoderModel, config=transformers.T5Config):
    torch.manual_seed(7)
    shape = {"vocab_size": 64, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 3, "num_heads": 4}
    return sharp(kind(config(**shape, feed_forward_proj="gated-gelu", dropout_rate=0.0)))


def pixart(kind=diffusers.PixArtAlphaPipeline):
    torch.manual_seed(0)
    transformer = diffusers.PixArtTransformer2DModel(
        num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=8, num_layers=1,
        cross_attention_dim=16, sample_size=16, caption_channels=32, norm_num_groups=4,
    )  # fmt: skip
    return kind(
        transformer=transformer.eval(),
        vae=vae(),
        text_encoder=t5(),
        tokenizer=t5_tokenizer(),
        scheduler=diffusers.DPMSolverMultistepScheduler(),
    )


def pixart_sigma():
    return pixart(diffusers.PixArtSigmaPipeline)


def chroma():
    torch.manual_seed(0)
    transformer = diffusers.ChromaTransformer2DModel(
        in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=32, axes_dims_rope=(4, 4, 8), approximator_num_channels=8,
        approximator_hidden_dim=16, approximator_layers=1,
    )  # fmt: skip
    return diffusers.ChromaPipeline(
        transformer=transformer.eval(),
        vae=vae(**CHANNELS_LAST),
        text_encoder=t5(),
        tokenizer=t5_tokenizer(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )


def aura_flow():
    torch.manual_seed(0)
    transformer = diffusers.AuraFlowTransformer2DModel(
        sample_size=16, in_channels=4, num_mmdit_layers=1, num_single_dit_layers=1, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=32, caption_projection_dim=32, pos_embed_max_size=256,
    )  # fmt: skip
    for parameter in transformer.parameters():  # or else nothing of a text shows in 8 bits
        parameter.data.mul_(3)
    return diffusers.AuraFlowPipeline(
        transformer=transformer.eval(),
        vae=vae(),
        text_encoder=t5(transformers.UMT5EncoderModel, transformers.UMT5Config),
        tokenizer=t5_tokenizer(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )


LANGUAGE_FAMILIES = {
    "Z-Image": z_image,
    "FLUX.2 klein": flux2_klein,
    "FLUX.2": flux2,
    "Qwen-Image": qwen_image,
    "Sana": sana,
    "Lumina 2": lumina2,
    "CogView 4": cogview4,
    "PixArt alpha": pixart,
    "PixArt sigma": pixart_sigma,
    "Chroma": chroma,
    "AuraFlow": aura_flow,
}
