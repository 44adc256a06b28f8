"""Write docs/models.md from the families' own table: `python -m docs.write_models`."""

from pathlib import Path

from fan_model.encoders.families import FAMILIES, Family
from fan_model.encoders.image_families import IMAGE_FAMILIES, IP_ADAPTER, ImageFamily

PAGE = Path(__file__).with_name("models.md")

PREFACE = """<!-- Written by `python -m docs.write_models` from fan_model/encoders/families.py. -->

# Image models that can be personalized

A pipeline is accepted by its class and by the classes of its components, before anything of it is loaded.
What cannot be drawn with from a prompt, or from [pictures as references](#models-that-take-pictures), is
refused: inpainting, pipelines that start from a picture, ControlNet, and every class that is not listed
here. The refusal names the class, what is wrong with it, and the nearest that would do. `fan models` prints
this list. A single `.safetensors` file of the first four is
known by the names of its weights.

| family | class in diffusers | reads prompts with | what the image model consumes |
|---|---|---|---|
"""
NOTES = """
All from Z-Image to AuraFlow are read by the pipeline's own `encode_prompt`, with the text encoder's
own forward; only the attention is replaced. A target, a reference and a negative prompt are each read
alone, so templates, dropped prefixes, chosen layers and masks are what the pipeline makes of them.
References are recorded without padding, from their first token on; a token of the target sees as many
tokens of a reference as it sees of itself. What all texts of a template begin with is kept once. Pictures
of these families are drawn one at a time, so that none depends on the others of its batch.

`guidance_scale` means the same for all: at 1 nothing is guided. Z-Image is told one less, Qwen-Image is
told it as `true_cfg_scale`; FLUX.2, and klein where it is distilled, have their guidance in the model and
take no negative prompt. On other devices than the CPU these families are loaded as bfloat16, for language
models overflow float16; [drawing on a GPU](how-to/gpu.md) says what else is chosen there. CogView 4 knows
no mask, so `condition` takes one prompt at a time there.

**Another family is one more row** in `fan_model/encoders/families.py`: its classes, what its
`encode_prompt` gives by the names of its call, whether padding is among that, and how its guidance is
called.
"""
IMAGES = """
## Models that take pictures

These take pictures of items as references, beside texts or in their place: see
[pictures as references](how-to/images.md). The last two families above draw nothing without a picture of the
target, so that nights, which have texts, refuse to register them.

| family | class in diffusers | looks at pictures with | brought by | what is consumed of a picture |
|---|---|---|---|---|
"""
CALIBRATION = """
## How strongly, and in which layers

What a template says is the same in every text, so it dilutes `alpha`; and first layers do other things in
each encoder. So alpha and `skip_layers` are measured on the model that you have:

    fan calibrate --output best.toml          # or with --texts, on texts of your own

24 targets are personalized at every alpha with every choice of layers, and nothing is drawn. The command
prints how like its plain self the condition stays, and how like that of the references it becomes; both are
cosines of mean tokens without what all texts have in common. Chosen is the point that is most like the
references while 0.9 of the likeness to the target is kept. Of the bundled model:

| skipped layers | alpha | target | references |
|---|---:|---:|---:|
| none | 0.2 | .985 | -.032 |
| **none** | **0.4** | **.909** | **.167** |
| none | 0.6 | .687 | .485 |
| the first | 0.4 | .934 | .043 |
| the first two | 0.6 | .924 | .017 |

All this is of every token. The bundled model ships with `keep_words` and alpha 0.55, chosen by what a
judge sees in its pictures ([how](evaluation.md)), which costs the target what 0.4 costs without.
(Calibrated with `--cases 48`; 24 choose the same.)
"""


def describe_families() -> str:
    """Return the page: who is accepted, what each family consumes, and how to find its settings."""
    families = "".join(f"{_row(family)}\n" for family in FAMILIES)
    images = "".join(f"{_image_row(family)}\n" for family in IMAGE_FAMILIES)
    return PREFACE + families + NOTES + IMAGES + images + CALIBRATION


def _row(family: Family) -> str:
    return f"| {family.name} | `{family.pipeline}` | {family.readers} | {family.consumes} |"


def _image_row(family: ImageFamily) -> str:
    own, adapter = "the pipeline itself", "an IP-Adapter's file, plain or Plus"
    brought = {None: own, IP_ADAPTER: adapter}.get(family.brought_by, f"`{family.brought_by}`")
    return f"| {family.name} | `{family.pipeline}` | {family.encoder} | {brought} | {family.consumes} |"


if __name__ == "__main__":
    PAGE.write_text(describe_families(), encoding="utf-8")
