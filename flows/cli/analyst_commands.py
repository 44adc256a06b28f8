"""For who asks what was drawn and why, and what it is worth."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.preparation import Item, SettingsFile, User, prepare
from flows.cli.terminal import printable


class OutputFormat(StrEnum):
    """How `fan query` prints rows."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def query(
    sql: Annotated[str, typer.Argument(help="The query, or - to read it from standard input.")],
    output_format: Annotated[
        OutputFormat, typer.Option("--format", help="How to print the rows.")
    ] = OutputFormat.TABLE,
    night: Annotated[
        str | None, typer.Option(help="Show what readers saw after this run, as `runs` names it.")
    ] = None,
    settings_file: SettingsFile = None,
) -> None:
    """Run SQL on the lake, read only, and print the rows.

    `pictures` has what was drawn, for whom and why, in one row; `targets`, `profiles` and `artworks` are
    those of the last published night; a night in progress writes to the schema `night`.
    """
    settings = prepare(settings_file)
    from flows.questions.query import run_query

    text = sys.stdin.read() if sql == "-" else sql
    rows = run_query(settings, text, output_format.value, night=night)
    # What is asked for as CSV or JSON is for programs, which get the very bytes unless a terminal reads them.
    is_shown = output_format is OutputFormat.TABLE or sys.stdout.isatty()
    print(printable(rows) if is_shown else rows)


def explain(user: User, item: Item, settings_file: SettingsFile = None) -> None:
    """Say in words why the picture of an item for a user looks as it does."""
    settings = prepare(settings_file)
    from flows.questions.explain import explain as explain_picture
    from flows.workspace import open_lake

    print(printable(explain_picture(settings, open_lake(settings, read_only=True), user, item)))


def export(
    folder: Annotated[Path, typer.Argument(help="Where to: a new folder.")],
    sql: Annotated[
        str | None,
        typer.Option(help="Query that chooses: with a column picture, image_path or plain_image_path."),
    ] = None,
    settings_file: SettingsFile = None,
) -> None:
    """Copy pictures into a folder, with a table of what each is: all of the last night, or those of a query.

    `pictures.csv` has the query's rows, and in `file` the name of each picture's copy.
    """
    settings = prepare(settings_file)
    from flows.questions.export import EVERYTHING, export_pictures

    num_rows, num_missing = export_pictures(settings, folder, sql or EVERYTHING)
    missing = f", {num_missing:,} of them without a picture in the workspace" if num_missing else ""
    print(f"{folder}: {num_rows:,} rows{missing}")


def search(
    user: User,
    text: Annotated[str | None, typer.Argument(help="What is looked for, in words.")] = None,
    image: Annotated[Path | None, typer.Option(help="Look for an image in place of a text.")] = None,
    num_hits: Annotated[int, typer.Option("--hits", min=1, help="Items to show.")] = 10,
    alpha: Annotated[
        float | None, typer.Option(min=0, max=1, help="Degree of personalization; 0 is the plain query.")
    ] = None,
    settings_file: SettingsFile = None,
) -> None:
    """Search the catalogue for a text or an image, in a user's taste (personalized retrieval).

    A text takes on the texts of what the user likes; an image takes on the items' own artwork.
    """
    settings = prepare(settings_file)
    from flows.questions.search import search as search_text
    from flows.questions.search_by_image import search_by_image

    if text is not None and image is None:
        hits = search_text(settings, user, text, num_hits=num_hits, alpha=alpha)
    elif image is not None and text is None:
        hits = search_by_image(settings, user, image, num_hits=num_hits, alpha=alpha)
    else:
        raise typer.BadParameter("give either a text or --image")
    for hit in hits:
        print(printable(f"{hit.score:6.3f}  {hit.item_id:>8}  {hit.title}"))


def evaluate(
    data: Annotated[
        str | None,
        typer.Option(
            help="Evaluate on movielens=FOLDER or prompt_histories=FOLDER, not on the workspace's log."
        ),
    ] = None,
    alias: Annotated[
        str | None, typer.Option(help="Evaluate the registered model of this alias, not the nightly's.")
    ] = None,
    variants: Annotated[
        list[str] | None,
        typer.Option("--variant", help="Draw this variant (repeatable), plain, full and the control only."),
    ] = None,
    peers: Annotated[
        bool,
        typer.Option(
            "--peers",
            help="Compare with DrUM, Tailored Visions, PMG, FABRIC, ViPer and means, and what each costs.",
        ),
    ] = False,
    settings_file: SettingsFile = None,
) -> None:
    """Measure what personalization is worth: draw the same targets in every variant, compare, report.

    The table evaluation_results holds every user's value of every measure; the evaluation settings
    have the sizes. Pictures drawn already are not drawn again: a run that was stopped is carried on.
    """
    prepare(settings_file)
    from flows.commands.evaluate import summarize_evaluation
    from flows.schedule.evaluation_flow import evaluate_locally

    result = evaluate_locally(settings_file, data=data, alias=alias, variants=variants or (), peers=peers)
    print(summarize_evaluation(result))


def train_adapter(
    captions: Annotated[
        Path | None,
        typer.Option(help="UTF-8 file with a caption per line; the bundled model has its own."),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps of the training.")] = 400,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, captions and cases.")] = 0,
    settings_file: SettingsFile = None,
) -> None:
    """Train the adapter of DrUM, which `fan evaluate --peers` compares with, for the settings' image model.

    The bundled model's is shipped. Users' data take no part. A training that was stopped is carried on.
    """
    settings = prepare(settings_file)
    from flows.model.adapter_training import train_drum

    trained = train_drum(settings, captions=captions, seed=seed, num_steps=steps)
    print(
        f"Trained {trained.num_parameters:,} weights on {trained.origin.num_captions:,} captions in "
        f"{trained.origin.minutes:.1f} minutes\n  {trained.file}"
    )
