"""For who wants a picture now: the registered model, and one picture at a time."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.preparation import SettingsFile, prepare


def register(settings_file: SettingsFile = None) -> None:
    """Register the settings' pipeline as a new model version, and let the alias name it."""
    settings = prepare(settings_file)
    from flows.model import champion

    version = champion.register(settings)
    print(f"models:/{settings.model.name}@{settings.model.alias} is now version {version}")


def models() -> None:
    """List the families of pipelines that can be drawn with, and what each consumes of texts and pictures."""
    from fan_model.encoders.families import FAMILIES
    from fan_model.encoders.image_families import IMAGE_FAMILIES

    for family in FAMILIES:
        print(f"{family.name} ({family.pipeline})\n    reads prompts with {family.readers}")
        print(f"    consumes {family.consumes}\n")
    for images in IMAGE_FAMILIES:
        print(f"{images.name} ({images.pipeline})\n    looks at pictures with {images.encoder}")
        print(f"    consumes {images.consumes}\n")


def calibrate(
    texts: Annotated[
        Path | None, typer.Option(help="File with a text per line, in place of film posters.")
    ] = None,
    num_cases: Annotated[
        int, typer.Option("--cases", min=2, help="Targets at each point of the curve.")
    ] = 24,
    output: Annotated[Path | None, typer.Option(help="File to write the chosen settings to.")] = None,
    settings_file: SettingsFile = None,
) -> None:
    """Measure how strongly, and in which layers, references should act in the settings' pipeline.

    Prints how like the target and how like the references prompts become, and the settings that are best.
    """
    settings = prepare(settings_file)
    from feature_store.lake.durable_files import write_durably
    from flows.model.calibrate import calibrate_model, describe_calibration

    found = calibrate_model(settings, num_cases=num_cases, texts=texts)
    print(describe_calibration(found, settings))
    if output is not None:
        write_durably(output, found.toml.encode())


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 is every one of this machine's.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 is any free one.")] = 5001,
    settings_file: SettingsFile = None,
) -> None:
    """Serve the registered model over HTTP, until this command is stopped; /docs says how to ask it.

    Without `[serving] tokens_file` it knows no callers: put it behind a gateway of your own then.
    """
    settings = prepare(settings_file)
    from flows.commands.serve import serve as serve_model

    serve_model(settings, host, port)


def draw(
    prompt: Annotated[str, typer.Argument(help="What the picture shows, in words.")],
    users: Annotated[
        list[str] | None, typer.Option("--user", help="Whose taste; several make a group.")
    ] = None,
    style: Annotated[
        str | None, typer.Option(help="A text whose style is mixed in, such as a brand's.")
    ] = None,
    style_share: Annotated[float, typer.Option(min=0, max=1, help="Its share of the weight.")] = 0.3,
    degrees: Annotated[
        str | None,
        typer.Option(help="Draw it at each of these, side by side: 0,0.3,0.6,0.9 of alpha, or of contrast."),
    ] = None,
    output: Annotated[Path, typer.Option(help="File to write, .png or .webp.")] = Path("artwork.png"),
    settings_file: SettingsFile = None,
) -> None:
    """Draw one picture now: for a user, for a group of users, or in the style of a text."""
    settings = prepare(settings_file)
    from feature_store.lake.durable_files import write_durably
    from flows.commands.draw import draw as draw_picture
    from flows.commands.draw import format_of, parse_degrees

    drawn = draw_picture(
        settings,
        prompt,
        users or [],
        style=style,
        style_share=style_share,
        image_format=format_of(output),
        degrees=() if degrees is None else parse_degrees(degrees),
    )
    write_durably(output, drawn.image)
    print(f"{output}: {len(drawn.references)} references, digest {drawn.artwork_digest}")
