"""The families of pipelines that can be personalized, and who is refused.

A pipeline is accepted by its class and by the classes of its components, never by the shape of its parts:
many pipelines have the text encoders of Stable Diffusion and cannot be drawn with from a prompt alone. The
documentation's page and `fan models` are written from this table.

Nothing here imports torch or diffusers, so that a folder is refused before anything of it is loaded.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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
    settings: Mapping[str, object] = field(default_factory=dict)
    """Of the image model: what they must be for a picture to follow from a prompt alone."""
    patch: int = 1
    """Latents in a row that the image model reads as one channel group: its channels are the autoencoder's
    times the square of it. More channels are for a mask or for another picture."""

    @property
    def readers(self) -> str:
        """Its text encoders, in words."""
        encoders = self.text_encoders.items()
        lacking = {name: " if there is one" if name in self.may_lack else "" for name in self.text_encoders}
        return ", ".join(" or ".join(classes) + lacking[name] for name, classes in encoders)

    def missing(self, classes: Classes) -> str | None:
        """What is wrong with a pipeline's components, in words; None if they will do."""
        for component, allowed in {**self.text_encoders, self.image_model[0]: self.image_model[1:]}.items():
            found = classes.get(component)
            if found not in allowed and not (found is None and component in self.may_lack):
                return f"its {component} is {found or 'missing'} and must be {' or '.join(allowed)}"
        others = [
            name.replace("text_encoder", "tokenizer") for name in self.text_encoders if classes.get(name)
        ]
        absent = [name for name in (*others, "vae") if classes.get(name) is None]
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
CLIP, PROJECTED_CLIP, T5 = ("CLIPTextModel",), ("CLIPTextModelWithProjection",), ("T5EncoderModel",)

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
        consumes="T5's last states; CLIP's pooled state",
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
