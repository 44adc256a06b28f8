"""How a checkpoint is meant to be drawn with: its denoising steps and guidance, as it says itself.

Distilled models draw in 1 to 8 steps and without guidance; drawn as others are, their pictures are burnt.
They are known by a file beside them that states it, by their scheduler, by their image model's settings, or
by their name.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from diffusers import DiffusionPipeline

from fan_model.drawing.requests import USUAL_GUIDANCE, USUAL_STEPS, DrawingOptions
from fan_model.loading.kernels import image_model_of
from fan_model.loading.pipeline_files import STATEMENT, PipelineError

FLUX_STEPS = 28
CONSISTENCY_SCHEDULERS = {"LCMScheduler", "TCDScheduler", "FlowMatchLCMScheduler", "SCMScheduler"}
"""Made for consistency models and their LoRA; other models draw nothing good with them."""
EULER_SCHEDULERS = {"EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler"}
"""With trailing time steps, those of Turbo (ancestral) and of Lightning; others lead."""
NAMES: Mapping[str, int] = {"turbo": 4, "lightning": 4, "schnell": 4, "lcm": 4, "hyper": 8}
"""Words in the names of distilled models, and their steps."""
HUB_FOLDER = "models--"
"""How the hub's cache calls the folder of a model."""


@dataclass(frozen=True)
class OwnSampling:
    """What a pipeline is drawn with where nobody says otherwise."""

    steps: int
    """Denoising steps."""
    guidance: float
    """1 is none."""
    is_distilled: bool = False
    """Whether the model learnt to draw without guidance: at 1 nothing leads away from a negative prompt."""
    is_embedded: bool = False
    """Whether guidance is an input of the image model: nothing ever leads away from a negative prompt."""

    def leads_away(self, guidance: float) -> bool:
        """Whether guidance of this scale leads away from a negative prompt."""
        return not self.is_embedded and guidance > 1

    def complete(self, options: DrawingOptions, side: int) -> DrawingOptions:
        """Options with these steps and guidance, and the side in pixels, where they do not say otherwise."""
        return replace(
            options,
            num_inference_steps=options.num_inference_steps or self.steps,
            guidance_scale=options.guidance_scale or self.guidance,
            height=options.height or side,
            width=options.width or side,
        )


USUAL = OwnSampling(USUAL_STEPS, USUAL_GUIDANCE)


def own_sampling(pipeline: DiffusionPipeline) -> OwnSampling:
    """How a loaded pipeline is meant to be drawn with.

    Raises:
        PipelineError: Its folder states what cannot be.
    """
    image_model = image_model_of(pipeline).config
    stated = Path(_name(pipeline)) / STATEMENT
    if stated.is_file():
        return read_statement(stated)
    if image_model.get("guidance_embeds") is not None and hasattr(pipeline, "text_encoder_2"):
        return _flux(image_model)
    if image_model.get("time_cond_proj_dim") is not None:
        # Guidance is one of the image model's inputs: it needs no second row, and a strength all the same.
        return OwnSampling(NAMES["lcm"], 8.0, is_embedded=True)
    steps = _few_steps(pipeline)
    return USUAL if steps is None else OwnSampling(steps, 1.0, is_distilled=True)


def read_statement(file: Path) -> OwnSampling:
    """Read a file that states steps and guidance; a model that states no guidance learnt to do without.

    Raises:
        PipelineError: It states what cannot be.
    """
    try:
        stated = json.loads(file.read_text(encoding="utf-8"))
        steps, guidance = int(stated["num_inference_steps"]), float(stated["guidance_scale"])
    except (ValueError, TypeError, KeyError):
        raise PipelineError(
            f"{file} must state num_inference_steps and guidance_scale, both numbers: correct or remove it"
        ) from None
    if steps < 1 or guidance < 1:
        raise PipelineError(f"{file} must state at least 1 step and a guidance of at least 1")
    return OwnSampling(steps, guidance, is_distilled=guidance == 1)


def write_statement(folder: Path, sampling: OwnSampling) -> None:
    """State in a pipeline's folder how it is drawn with."""
    stated = {"num_inference_steps": sampling.steps, "guidance_scale": sampling.guidance}
    (folder / STATEMENT).write_text(json.dumps(stated, indent=2) + "\n", encoding="utf-8")


def _flux(image_model: Mapping[str, Any]) -> OwnSampling:
    """Dev is told its guidance, schnell knows none."""
    if image_model["guidance_embeds"]:
        return OwnSampling(FLUX_STEPS, USUAL_GUIDANCE, is_embedded=True)
    return OwnSampling(NAMES["schnell"], 1.0, is_distilled=True)


def _few_steps(pipeline: DiffusionPipeline) -> int | None:
    """Steps of a distilled model; None of any other."""
    scheduler = pipeline.scheduler
    kind = type(scheduler).__name__
    if kind in CONSISTENCY_SCHEDULERS:
        return NAMES["lcm"]
    named = _named_steps(pipeline)
    # Trailing steps also go with a noise that ends in nothing, of models that take as many as others.
    is_trailing = scheduler.config.get("timestep_spacing") == "trailing"
    if kind in EULER_SCHEDULERS and is_trailing and not scheduler.config.get("rescale_betas_zero_snr"):
        return named or NAMES["turbo"]
    if pipeline.config.get("is_distilled"):
        return named or NAMES["schnell"]
    return named


def _named_steps(pipeline: DiffusionPipeline) -> int | None:
    """Steps that the name of a distilled model says, or that such models take; None of any other name."""
    name = _last_name(pipeline)
    usual = next((steps for word, steps in NAMES.items() if word in re.split(r"[^a-z]+", name)), None)
    said = re.search(r"(?<!\d)(\d{1,2})[-_ ]?steps?(?![a-z])", name)
    return int(said[1]) if usual and said and int(said[1]) else usual


def _last_name(pipeline: DiffusionPipeline) -> str:
    """The pipeline's name in small letters: its folder's, or the hub's for it."""
    path = Path(_name(pipeline))
    names = [part for part in path.parts if part.startswith(HUB_FOLDER)] or [path.name]
    return names[-1].lower()


def _name(pipeline: DiffusionPipeline) -> str:
    """The folder that it was loaded from, or what the hub calls it; empty for one that was made."""
    return str(pipeline.config.get("_name_or_path") or "")
