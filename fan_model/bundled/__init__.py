"""The bundled image model and its judge: their weights, which `fan_model.studio` makes.

Whoever draws or judges by default names its folders.
"""

from pathlib import Path as _Path

PIPELINE_FOLDER = _Path(__file__).parent / "pipeline"
"""The diffusers pipeline that draws."""
JUDGE_FOLDER = _Path(__file__).parent / "judge"
"""The CLIP model that judges, trained apart from the pipeline's text encoder."""
ADAPTER_FILE = _Path(__file__).parent / "adapter" / "model.safetensors"
"""Weights of a method that evaluations compare with (DrUM), trained for the pipeline's text encoder."""
SKIP_LAYERS: tuple[int, ...] = ()
"""This pipeline is personalized in all its layers: its text encoder reads palette and style into the rest of
the text in its first layer of five, and what is skipped there is lost."""
