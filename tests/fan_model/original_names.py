"""A tiny Stable Diffusion as a single file: its weights under the names that it was published with."""

import re

from safetensors.torch import save_file

RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection",
}  # fmt: skip
UNET = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
    "down_blocks.0.resnets.0": "input_blocks.1.0", "down_blocks.0.downsamplers.0.conv": "input_blocks.2.0.op",
    "down_blocks.1.resnets.0": "input_blocks.3.0", "down_blocks.1.attentions.0": "input_blocks.3.1",
    "mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
    "up_blocks.0.resnets.0": "output_blocks.0.0", "up_blocks.0.attentions.0": "output_blocks.0.1",
    "up_blocks.0.resnets.1": "output_blocks.1.0", "up_blocks.0.attentions.1": "output_blocks.1.1",
    "up_blocks.0.upsamplers.0.conv": "output_blocks.1.2.conv",
    "up_blocks.1.resnets.0": "output_blocks.2.0", "up_blocks.1.resnets.1": "output_blocks.3.0",
}  # fmt: skip
"""Of a UNet with two levels of one layer each, as `pipelines.unet` makes it."""
ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
LAST_BLOCK = "model.diffusion_model.output_blocks.3.0.skip_connection.weight"
"""The name in which such a file of two levels ends, as that of a real one does with a larger number."""


def save_single_file(pipeline, file):
    """Save a pipeline's weights under their original names."""
    weights = {
        f"model.diffusion_model.{_unet(name)}": one for name, one in pipeline.unet.state_dict().items()
    }
    for name, one in pipeline.vae.state_dict().items():
        is_attention = "attentions" in name and one.ndim == 2
        weights[f"first_stage_model.{_autoencoder(name)}"] = one[:, :, None, None] if is_attention else one
    for name, one in pipeline.text_encoder.state_dict().items():
        prefix = "" if name.startswith("text_model.") else "text_model."
        weights[f"cond_stage_model.transformer.{prefix}{name}"] = one
    save_file({name: one.contiguous() for name, one in weights.items()}, file)
    return file


def _unet(name):
    place = next(ours for ours in UNET if name.startswith(f"{ours}."))
    rest = name.removeprefix(f"{place}.")
    part, _, kind = rest.partition(".")
    return (
        f"{UNET[place]}.{RESNET[part]}.{kind}"
        if part in RESNET and "resnets" in place
        else f"{UNET[place]}.{rest}"
    )


def _autoencoder(name):
    name = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d)\.resnets", lambda found: f"up.{1 - int(found[1])}.block", name)
    name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda found: f"up.{1 - int(found[1])}.upsample", name)
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}", name)
    name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
    if "mid_block.attentions.0" in name:
        name = name.replace("mid_block.attentions.0", "mid.attn_1")
        for ours, theirs in ATTENTION.items():
            name = name.replace(f".{ours}.", f".{theirs}.")
    return name
