"""Write docs/models.md from the families' own table: `python -m docs.write_models`."""

from pathlib import Path

from fan_model.encoders.families import FAMILIES, Family

PAGE = Path(__file__).with_name("models.md")

PREFACE = """<!-- Written by `python -m docs.write_models` from fan_model/encoders/families.py. -->

# Image models that can be personalized

A pipeline is accepted by its class and by the classes of its components, before anything of it is loaded.
What cannot be drawn with from a prompt alone is refused: inpainting, pipelines that start from a picture,
ControlNet, and every class that is not listed here. The refusal names the class, what is wrong with it, and
the nearest that would do. `fan models` prints this list.

| family | class in diffusers | reads prompts with | what the image model consumes |
|---|---|---|---|
"""


def describe_families() -> str:
    """Return the page: who is accepted, and what each family consumes."""
    return PREFACE + "".join(f"{_row(family)}\n" for family in FAMILIES)


def _row(family: Family) -> str:
    return f"| {family.name} | `{family.pipeline}` | {family.readers} | {family.consumes} |"


if __name__ == "__main__":
    PAGE.write_text(describe_families(), encoding="utf-8")
