"""The families of pipelines that can be personalized, and who is refused.

A pipeline is accepted by its class and by the classes of its components, never by the shape of its parts:
many pipelines have the text encoders of Stable Diffusion and cannot be drawn with from a prompt alone. The
documentation's page and `fan models` are written from this table.

Nothing here imports torch or diffusers, so that a folder is refused before anything of it is loaded.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fan_model.encoders.prompt_calls import PromptCall

WORD = re.compile(r"[A-Z]+(?![a-z])\d*|[A-Z][a-z]*\d*")
"""One word of a class's name."""

Classes = Mapping[str, str | None]
"""Each component's class by its name; None for a component that the pipeline is without."""


class UnsupportedPipelineError(ValueError):
    """A pipeline that cannot be drawn with; the message names what would do."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """One kind of pipeline: what it must be made of, and what its image model consumes of a text."""

    name: str
    pipeline: str
    """Its class in diffusers."""
    text_encoders: Mapping[str, Sequence[str]]
    """Each text encoder, and the classes of transformers that it may have."""
    image_model: tuple[str, str]
    """Name and class of the component that draws."""
    consumes: str
    """What the image model is given of a text, in words."""
    may_lack: frozenset[str] = frozenset()
    """Text encoders that the pipeline can do without."""
    image_encoder: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What looks at pictures, where that is part of the pipeline itself."""
    needs_picture: bool = False
    """Whether nothing is drawn without a picture of the target; see `image_families`."""
    autoencoder: str = "vae"
    """Name of the component that makes pixels of latents."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """Of the image model: what they must be for a picture to follow from a prompt alone."""
    prompt_call: PromptCall | None = None
    """How its prompts are read, where that is the pipeline's own code with the attention replaced."""
    patch: int = 1
    """Latents in a row that the image model reads as one channel group: its channels are the autoencoder's
    times the square of it. More channels are for a mask or for another picture."""
    is_wide: bool = False
    """Whether its image model is made for bfloat16, and too large for float16."""

    @property
    def half(self) -> str:
        """The number type of 16 bits that its image model is for."""
        return "bfloat16" if self.is_wide or self.prompt_call is not None else "float16"

    @property
    def readers(self) -> str:
        """Its text encoders, in words."""
        encoders = self.text_encoders.items()
        lacking = {name: " if there is one" if name in self.may_lack else "" for name in self.text_encoders}
        return ", ".join(" or ".join(classes) + lacking[name] for name, classes in encoders) or "nothing"

    def missing(self, classes: Classes) -> str | None:
        """What is wrong with a pipeline's components, in words; None if they will do."""
        needed = {**self.text_encoders, **self.image_encoder, self.image_model[0]: self.image_model[1:]}
        for component, allowed in needed.items():
            found = classes.get(component)
            if found not in allowed and not (found is None and component in self.may_lack):
                return f"its {component} is {found or 'missing'} and must be {' or '.join(allowed)}"
        others = [
            name.replace("text_encoder", "tokenizer") for name in self.text_encoders if classes.get(name)
        ]
        absent = [name for name in (*others, self.autoencoder) if classes.get(name) is None]
        return f"its {absent[0]} is missing" if absent else None

    def misfit(self, image_model: Mapping[str, Any], latent_channels: int | None) -> str | None:
        """What is wrong with the image model's settings, in words; None if they will do."""
        name = self.image_model[0]
        for setting, wanted in self.settings.items():
            if image_model.get(setting) != wanted:
                return f"its {name} has {setting} {image_model.get(setting)} and must have {wanted}"
        channels = image_model.get("in_channels")
        wanted_channels = None if latent_channels is None else latent_channels * self.patch**2
        if None not in (channels, wanted_channels) and channels != wanted_channels:
            return f"its {name} reads {channels} channels and not {wanted_channels}: it wants a picture, too"
        return None


WITHOUT_CLASSES: dict[str, object] = {"class_embed_type": None, "num_class_embeds": None}
"""A UNet with classes waits for more than a prompt, as those of unCLIP and of upscalers do."""
MASKED = (
    "prompt_embeds",
    "prompt_attention_mask",
    "negative_prompt_embeds",
    "negative_prompt_attention_mask",
)
"""What the pipelines of masked encoders give."""
NO_WORDS: Mapping[str, object] = {"negative_prompt": None}
"""For calls whose negative prompt is an empty text by default, which they refuse beside a condition."""
PIXART = PromptCall(
    outputs=MASKED,
    from_call=("max_sequence_length",),
    is_causal=False,
    call={"use_resolution_binning": False},
    with_negatives=NO_WORDS,
)
CLIP, PROJECTED_CLIP, T5 = ("CLIPTextModel",), ("CLIPTextModelWithProjection",), ("T5EncoderModel",)
CLIP_VISION = ("CLIPVisionModelWithProjection",)

FAMILIES: tuple[Family, ...] = (
    Family(
        name="Stable Diffusion 1, 2",
        pipeline="StableDiffusionPipeline",
        text_encoders={"text_encoder": CLIP},
        image_model=("unet", "UNet2DConditionModel"),
        settings=WITHOUT_CLASSES | {"addition_embed_type": None},
        consumes="CLIP's last states after the final norm",
    ),
    Family(
        name="Stable Diffusion XL",
        pipeline="StableDiffusionXLPipeline",
        text_encoders={"text_encoder": CLIP, "text_encoder_2": PROJECTED_CLIP},
        image_model=("unet", "UNet2DConditionModel"),
        settings=WITHOUT_CLASSES | {"addition_embed_type": "text_time"},
        consumes="states before the last layer of both CLIPs, joined in width; the second's pooled state",
    ),
    Family(
        name="Stable Diffusion 3",
        pipeline="StableDiffusion3Pipeline",
        text_encoders={
            "text_encoder": PROJECTED_CLIP,
            "text_encoder_2": PROJECTED_CLIP,
            "text_encoder_3": T5,
        },
        may_lack=frozenset({"text_encoder_3"}),
        image_model=("transformer", "SD3Transformer2DModel"),
        consumes="states before the last layer of both CLIPs, then T5's last states along the tokens; "
        "the pooled states of both CLIPs",
    ),
    Family(
        name="FLUX",
        pipeline="FluxPipeline",
        text_encoders={"text_encoder": CLIP, "text_encoder_2": T5},
        image_model=("transformer", "FluxTransformer2DModel"),
        patch=2,
        is_wide=True,
        consumes="T5's last states; CLIP's pooled state",
    ),
    Family(
        name="Z-Image",
        pipeline="ZImagePipeline",
        text_encoders={"text_encoder": ("Qwen3Model", "Qwen3ForCausalLM")},
        image_model=("transformer", "ZImageTransformer2DModel"),
        consumes="Qwen3's states before the last layer, of the text's own tokens, in a chat template",
        prompt_call=PromptCall(
            outputs=("prompt_embeds", "negative_prompt_embeds"),
            keeps_padding=False,
            encodes_negatives=True,
            no_guidance=0.0,
            own_side=1024,
        ),
    ),
    Family(
        name="FLUX.2 klein",
        pipeline="Flux2KleinPipeline",
        text_encoders={"text_encoder": ("Qwen3ForCausalLM", "Qwen3Model")},
        image_model=("transformer", "Flux2Transformer2DModel"),
        patch=2,
        consumes="Qwen3's states after layers 9, 18 and 27, joined in width, padding included, "
        "in a chat template",
        prompt_call=PromptCall(outputs=("prompt_embeds", None), distilled="is_distilled"),
    ),
    Family(
        name="FLUX.2",
        pipeline="Flux2Pipeline",
        text_encoders={"text_encoder": ("Mistral3ForConditionalGeneration",)},
        image_model=("transformer", "Flux2Transformer2DModel"),
        patch=2,
        consumes="Mistral 3's states after layers 10, 20 and 30, joined in width, padding included, "
        "after a system message",
        prompt_call=PromptCall(outputs=("prompt_embeds", None), takes_negatives=False),
    ),
    Family(
        name="Qwen-Image",
        pipeline="QwenImagePipeline",
        text_encoders={"text_encoder": ("Qwen2_5_VLForConditionalGeneration",)},
        image_model=("transformer", "QwenImageTransformer2DModel"),
        patch=2,
        consumes="Qwen2.5-VL's last states without the 34 tokens of the template before the text",
        prompt_call=PromptCall(
            outputs=("prompt_embeds", "prompt_embeds_mask"),
            keeps_padding=False,
            mask="prompt_embeds_mask",
            guidance="true_cfg_scale",
        ),
    ),
    Family(
        name="Sana",
        pipeline="SanaPipeline",
        text_encoders={"text_encoder": ("Gemma2Model",)},
        image_model=("transformer", "SanaTransformer2DModel"),
        consumes="Gemma 2's last states of 300 tokens, after a long instruction, with a mask",
        prompt_call=PromptCall(
            outputs=MASKED,
            from_call=("complex_human_instruction", "max_sequence_length"),
            encodes_negatives=True,
            call={"use_resolution_binning": False},
            with_negatives=NO_WORDS,
            side_multiple=32,
        ),
    ),
    Family(
        name="Lumina 2",
        pipeline="Lumina2Pipeline",
        text_encoders={"text_encoder": ("Gemma2Model",)},
        image_model=("transformer", "Lumina2Transformer2DModel"),
        consumes="Gemma 2's states before the last layer of 256 tokens, after a system prompt, with a mask",
        prompt_call=PromptCall(outputs=MASKED, encodes_negatives=True),
    ),
    Family(
        name="CogView 4",
        pipeline="CogView4Pipeline",
        text_encoders={"text_encoder": ("GlmModel",)},
        image_model=("transformer", "CogView4Transformer2DModel"),
        consumes="GLM's states before the last layer, padded to the left to a multiple of 16 tokens",
        prompt_call=PromptCall(outputs=("prompt_embeds", "negative_prompt_embeds"), takes_one_prompt=True),
    ),
    Family(
        name="PixArt alpha",
        pipeline="PixArtAlphaPipeline",
        text_encoders={"text_encoder": T5},
        image_model=("transformer", "PixArtTransformer2DModel"),
        consumes="masked T5's last states of 120 tokens, with the mask",
        # Asked for one step, its call takes any scheduler for one of a distilled model.
        prompt_call=replace(PIXART, least_steps=2),
    ),
    Family(
        name="PixArt sigma",
        pipeline="PixArtSigmaPipeline",
        text_encoders={"text_encoder": T5},
        image_model=("transformer", "PixArtTransformer2DModel"),
        consumes="masked T5's last states of 300 tokens, with the mask",
        prompt_call=PIXART,
    ),
    Family(
        name="Chroma",
        pipeline="ChromaPipeline",
        text_encoders={"text_encoder": T5},
        image_model=("transformer", "ChromaTransformer2DModel"),
        patch=2,
        consumes="masked T5's last states of 512 tokens, with a mask that leaves one token of padding",
        prompt_call=PromptCall(
            outputs=(*MASKED[:1], None, *MASKED[1:3], None, *MASKED[3:]),
            is_causal=False,
        ),
    ),
    Family(
        name="AuraFlow",
        pipeline="AuraFlowPipeline",
        text_encoders={"text_encoder": ("UMT5EncoderModel",)},
        image_model=("transformer", "AuraFlowTransformer2DModel"),
        consumes="masked UMT5's last states of 256 tokens, 0 at padding",
        prompt_call=PromptCall(outputs=MASKED, is_causal=False),
    ),
    Family(
        name="Stable unCLIP",
        pipeline="StableUnCLIPImg2ImgPipeline",
        text_encoders={"text_encoder": CLIP},
        image_encoder={"image_encoder": CLIP_VISION},
        needs_picture=True,
        image_model=("unet", "UNet2DConditionModel"),
        settings={"class_embed_type": "projection", "num_class_embeds": None, "addition_embed_type": None},
        consumes="CLIP's last states after the final norm; the embedding of a picture",
    ),
    Family(
        name="Kandinsky 2.2",
        pipeline="KandinskyV22Pipeline",
        text_encoders={},
        needs_picture=True,
        autoencoder="movq",
        image_model=("unet", "UNet2DConditionModel"),
        settings=WITHOUT_CLASSES | {"addition_embed_type": "image", "encoder_hid_dim_type": "image_proj"},
        consumes="the embedding of a picture",
    ),
)
"""All that can be personalized."""


def accept_index(index: Mapping[str, Any]) -> Family:
    """The family of a saved pipeline, by its `model_index.json`, before anything of it is loaded.

    Raises:
        UnsupportedPipelineError: It cannot be drawn with.
    """
    named = {name: value for name, value in index.items() if isinstance(value, list) and len(value) == 2}
    return accept(index.get("_class_name"), {name: kind for name, (_, kind) in named.items()})


def accept(pipeline: object, classes: Classes) -> Family:
    """The family of a pipeline by its class's name and the classes of its components.

    A pipeline that brings code of its own has no plain name, and is refused.

    Raises:
        UnsupportedPipelineError: No family has this class, or the family is made of something else.
    """
    family = next((one for one in FAMILIES if one.pipeline == pipeline), None)
    if family is None:
        raise _refusal(str(pipeline), classes, "")
    wrong = family.missing(classes)
    if wrong:
        raise _refusal(family.pipeline, classes, f": {wrong}")
    return family


def refuse_misfit(
    family: Family, classes: Classes, image_model: Mapping[str, Any], latent_channels: int | None
) -> None:
    """Refuse a loaded pipeline whose image model wants more than a prompt.

    Raises:
        UnsupportedPipelineError: It does.
    """
    wrong = family.misfit(image_model, latent_channels)
    if wrong:
        raise _refusal(family.pipeline, classes, f": {wrong}")


def refuse_picture_needs(family: Family) -> None:
    """Refuse what nights and services cannot draw with, who are given texts.

    Raises:
        UnsupportedPipelineError: It draws nothing without a picture of the target.
    """
    if family.needs_picture:
        raise UnsupportedPipelineError(
            f"{family.pipeline} draws from a picture of each target, and nights and services are given "
            "texts: use it as a library, with Personalizer, or let pictures act in nights with "
            "images.references"
        )


def nearest(pipeline: str, classes: Classes) -> Family:
    """The supported family that is most like a pipeline: by the words of its name, then by its encoders."""
    encoders = {name for component, name in classes.items() if component.startswith("text_encoder")}

    def likeness(family: Family) -> tuple[int, int, int]:
        own = {name for allowed in family.text_encoders.values() for name in allowed}
        words = _shared_words(pipeline, family.pipeline)
        return words, len(own & encoders), -len(family.pipeline)

    return max(FAMILIES, key=likeness)


def _refusal(pipeline: str, classes: Classes, why: str) -> UnsupportedPipelineError:
    supported = ", ".join(sorted({family.pipeline for family in FAMILIES}))
    return UnsupportedPipelineError(
        f"{pipeline} cannot be drawn with from a prompt{why}; "
        f"the nearest that would do is {nearest(pipeline, classes).pipeline}; supported are {supported}"
    )


def _shared_words(one: str, other: str) -> int:
    """How many words two names of classes begin with in common."""
    pairs = list(zip(*(WORD.findall(name.removesuffix("Pipeline")) for name in (one, other)), strict=False))
    return next((place for place, (a, b) in enumerate(pairs) if a != b), len(pairs))
