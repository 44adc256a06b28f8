"""For who makes the bundled image model anew: `fan studio`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flows.environment import prepare_environment


class StudioSize(StrEnum):
    """The recipes of `fan studio train`."""

    SMALL = "small"
    REFINE = "refine"
    CPU = "cpu"
    GPU = "gpu"


def train(
    size: Annotated[StudioSize, typer.Option(help="How much training: see the times in the model card.")],
    folder: Annotated[Path, typer.Option(help="Where everything is made and kept.")] = Path(
        "workspace/studio"
    ),
    seed: Annotated[int, typer.Option(min=0)] = 1,
    start: Annotated[
        Path | None,
        typer.Option(
            help="Weights to start from: the folder of another training "
            "[default: the bundled model's for refine and gpu, else none]"
        ),
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda [default: cuda if there is one]")] = None,
    captions: Annotated[int, typer.Option(min=18, help="Test captions of the figures.")] = 2000,
    pairs: Annotated[int, typer.Option(min=1, help="Cases of the personalization figures.")] = 200,
) -> None:
    """Make the image model and its judge from drawn posters; a training that was stopped is carried on.

    Leaves `pipeline`, `judge`, and in `sheets` pictures and figures of what they can do.
    """
    prepare_environment(folder)
    from fan_model.bundled import PIPELINE_FOLDER
    from flows.commands.bundled_model import show as show_model
    from flows.commands.bundled_model import train as train_model

    goes_on = size in (StudioSize.REFINE, StudioSize.GPU)
    weights = start or (PIPELINE_FOLDER.parent if goes_on else None)
    pipeline, judge = train_model(size.value, seed, folder, device, weights)
    _print_figures(show_model(pipeline, judge, folder / "sheets", num_captions=captions, num_pairs=pairs))


def show(
    folder: Annotated[Path, typer.Option(help="Where sheets and figures go.")] = Path(
        "workspace/studio/sheets"
    ),
    captions: Annotated[int, typer.Option(min=18, help="Test captions of the figures.")] = 2000,
    pairs: Annotated[int, typer.Option(min=1, help="Cases of the personalization figures.")] = 200,
) -> None:
    """Draw the sheets and measure the figures of the bundled model."""
    prepare_environment(folder)
    from fan_model.bundled import JUDGE_FOLDER, PIPELINE_FOLDER
    from flows.commands.bundled_model import show as show_model

    _print_figures(show_model(PIPELINE_FOLDER, JUDGE_FOLDER, folder, num_captions=captions, num_pairs=pairs))


def _print_figures(figures: dict[str, float]) -> None:
    for name, value in figures.items():
        print(f"{name.replace('_', ' '):36} {value:9.3f}")
