"""How a pipeline is run: each choice's name, default, cost and gain.

A field is defined here and nowhere else: `[model]` of the settings, a registered model's configuration and
the digests of pictures read it from here. Nothing here imports torch or diffusers.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

NumberType = Literal["auto", "float32", "bfloat16", "float16"]
Quantization = Literal["none", "bitsandbytes-8bit", "bitsandbytes-4bit", "torchao-int8", "torchao-fp8"]
Offload = Literal["none", "model", "group"]
Attention = Literal[
    "default", "native", "flash", "flash_hub", "_flash_3_hub", "sage", "sage_hub", "xformers",
    "_native_cudnn", "_native_efficient", "_native_flash", "_native_math",
]  # fmt: skip

StepCache = Literal["none", "first_block", "faster", "taylorseer"]

LARGEST_BATCH = 16
"""Pictures that `auto` tries to draw at a time; texts are always encoded so many at a time."""


class ExecutionError(ValueError):
    """The pipeline cannot be run as it is told to; the message names the setting."""


class StyleAdapter(BaseModel):
    """Weights that change how a pipeline draws, or words that it learns: a house style."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    path: str
    """A `.safetensors` file."""
    kind: Literal["lora", "textual_inversion"] = "lora"
    """`lora` changes weights; `textual_inversion` teaches the text encoders a word."""
    strength: float = Field(1.0, ge=-10, le=10)
    """Of a LoRA: 0 is without it."""
    token: str | None = None
    """The word that a textual inversion teaches; none: the one in the file."""


class Execution(BaseModel):
    """How a pipeline is run."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    device: str = "cpu"
    """Torch device: cpu, cuda, cuda:1, mps."""
    devices: tuple[str, ...] = ()
    """Draw on all of these, with a replica of the model on each, and pictures dealt to whichever is free:
    nearly as many times faster as there are; each takes the memory of a model. Empty: on `device` alone."""
    dtype: NumberType = "auto"
    """Number type of the weights. Halves take half the memory and are several times faster on a GPU; what is
    too large for float16 becomes a black picture. `auto`: float32 on the CPU, where bfloat16 is up to three
    times faster if the CPU multiplies it, and slower if not; elsewhere 16 bits, of the kind that the family
    and the checkpoint are made for, and for each component what it bears: T5 and language models are never
    float16, an autoencoder whose configuration forces it is float32 where others are, and so are the last
    layers of UNets and autoencoders in bfloat16."""
    quantization: Quantization = "none"
    """Weights of the image model and of T5 or a language model in fewer bits: 8 bits take half the memory of
    16, 4 bits a quarter; pictures change a little, and each step is slower on most cards. Needs the extra
    `fan-artwork[quantization]`. A file that is quantized already (GGUF) is named as `image_model`."""
    image_model: Path | None = None
    """A single file (`.safetensors`, or quantized `.gguf`) with the weights of the image model, in place of
    those of the pipeline: a GGUF of 4 bits takes a quarter of the memory and is slower by its unpacking."""
    configs: str | None = None
    """Where `pipeline` is a single file: folder or hub id of a pipeline of its kind, whose configurations and
    tokenizers are used; none: the one that its weights' names point to, from the hub."""
    adapters: tuple[StyleAdapter, ...] = ()
    """LoRA and textual inversions, a `[[model.adapters]]` table each: they cost nothing once loaded."""
    attention: Attention = "default"
    """Kernel of the image model's attention, by the names of diffusers: `flash` and `sage` are faster at
    large sizes and need packages of their own, and `sage` computes in 8 bits, so that pictures change a
    little. Transformers only: UNets have torch's."""
    compile: bool = False
    """Compile the repeated blocks of the image model: minutes before the first picture of each size, then up
    to a third faster on a GPU. Kernels are kept in the workspace, so that the next start is quick."""
    step_cache: StepCache = "none"
    """Reuse what the image model computed a step before, by diffusers' caches: up to twice as fast with 20
    steps or more, and pictures change a little; with few steps it gains nothing. FLUX,
    FLUX.2 klein and Qwen-Image only."""
    offload: Offload = "none"
    """Keep weights in the computer's memory. `model` brings one component at a time to the device: its peak
    is that of the largest, and each batch waits for the transfers. `group` brings layer after layer while
    the one before computes: least memory, and half as fast or slower. Neither changes
    more of a picture than its last bits."""
    vae_tiling: bool = False
    """Decode large pictures in tiles that overlap: little memory at any size, seams that hardly show."""
    batch_size: PositiveInt | Literal["auto"] = "auto"
    """Pictures drawn at a time: more are faster until the device is busy, and take more memory. `auto`: 16,
    or what is left of them after halving each time memory ran out, remembered per model and device."""

    @property
    def all_devices(self) -> tuple[str, ...]:
        """Where replicas of the model are."""
        return self.devices or (self.device,)

    @property
    def first_batch_size(self) -> int:
        """Pictures that are drawn at a time as long as memory does."""
        return LARGEST_BATCH if self.batch_size == "auto" else self.batch_size

    def makes(self) -> dict[str, Any]:
        """What of it changes the bytes of pictures, by its name; what is as by default is left out.

        Number types are named apart, component by component: `auto` is not the same everywhere.
        """
        told = self.model_dump(mode="json", include=CHANGES_BYTES, exclude_defaults=True)
        # Files are named by their content, see `LoadedPipeline.fingerprint`, not by where they lie.
        told["adapters"] = [each.model_dump(exclude={"path"}) for each in self.adapters]
        return {name: value for name, value in told.items() if value}


CHANGES_BYTES = {"quantization", "attention", "compile", "step_cache", "vae_tiling"}
"""Fields whose value changes a picture. So do `dtype`, `adapters`, `image_model` and `configs`, whose outcome
or content counts in place of their value; the others change where and how fast a picture is drawn."""
