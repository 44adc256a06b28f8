"""The bundled image model: the renderer of posters it learnt from, its training, and its weights."""

from pathlib import Path

PIPELINE_FOLDER = Path(__file__).parent / "pipeline"
"""The diffusers pipeline that draws."""
JUDGE_FOLDER = Path(__file__).parent / "judge"
"""The CLIP model that judges, trained apart from the pipeline's text encoder."""
