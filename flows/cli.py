"""The command line: `fan nightly` for the whole night, and a command for each part of it."""

import logging
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from feature_store.lake.durable_files import NOTHING_LOST
from flows.environment import prepare_environment
from flows.failures import what_failed
from flows.settings import Settings, read_settings

OWN_PACKAGES = {"evaluation", "fan_model", "feature_store", "flows", "recsys_adapters"}

SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", help="TOML file of the settings [default: $FAN_SETTINGS, or fan.toml here]"),
]

app = typer.Typer(
    help="Per-user artwork for recommender systems: every night, pictures in each user's taste.\n\n"
    "Settings come from fan.toml and from FAN_* variables (FAN_MAX_USERS=all, FAN_DRAWING__ALPHA=0.4).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


studio_app = typer.Typer(
    help="Make the bundled image model anew, and see what it can do.", no_args_is_help=True
)
app.add_typer(studio_app, name="studio")


class StudioSize(StrEnum):
    """The recipes of `fan studio train`."""

    SMALL = "small"
    CPU = "cpu"
    GPU = "gpu"


class OutputFormat(StrEnum):
    """How `fan query` prints rows."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def main() -> None:
    """Run the command line; an error that the project or the machine explains is one line and exit code 1."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        app()
    except Exception as error:
        message = _explain_failure(error)
        if message is None:
            raise
        print(f"fan: {message}", file=sys.stderr)
        sys.exit(1)


def _explain_failure(error: Exception) -> str | None:
    if type(error).__module__.split(".")[0] in OWN_PACKAGES:
        return str(error)
    failed = what_failed(error)
    return f"{failed}. {NOTHING_LOST}" if failed else None


@app.command()
def nightly(settings_file: SettingsFile = None) -> None:
    """Run the whole night: ingest, embed, profile, generate, publish.

    What is done already is not done again: a second run on unchanged input draws nothing, and a run that was
    stopped is carried on.
    """
    _run(settings_file, ("ingest", "embed", "profile", "generate", "publish"))


@app.command()
def ingest(settings_file: SettingsFile = None) -> None:
    """Stage 1: take new logs, catalogues and lists into the lake, and decide which pictures are wanted."""
    _run(settings_file, ("ingest",))


@app.command()
def embed(
    settings_file: SettingsFile = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Encode every text anew, with the model in use.")
    ] = False,
) -> None:
    """Stage 2: encode new texts into the reference store."""
    settings = _prepare(settings_file)
    if rebuild:
        from feature_store.vectors.reference_store import erase_store
        from flows.night_lock import hold_night
        from flows.workspace import open_workspace

        with hold_night(settings):
            erase_store(open_workspace(settings).references)
    _run(settings_file, ("embed",))


@app.command()
def profile(settings_file: SettingsFile = None) -> None:
    """Stage 3: select each user's references for each target (tailored profiling)."""
    _run(settings_file, ("profile",))


@app.command()
def generate(settings_file: SettingsFile = None) -> None:
    """Stage 4: draw the pictures whose profile, text or settings changed, through the registered model."""
    _run(settings_file, ("generate",))


@app.command()
def publish(settings_file: SettingsFile = None) -> None:
    """Stage 5: show the night to readers all at once, write the gallery and the reports."""
    _run(settings_file, ("publish",))


@app.command()
def register(settings_file: SettingsFile = None) -> None:
    """Register the settings' pipeline as a new model version, and let the alias name it."""
    settings = _prepare(settings_file)
    from flows.model import champion

    version = champion.register(settings)
    print(f"models:/{settings.model.name}@{settings.model.alias} is now version {version}")


@app.command()
def schedule(
    cron: Annotated[str, typer.Option(help="When, as a cron expression in UTC.")] = "0 3 * * *",
    settings_file: SettingsFile = None,
) -> None:
    """Serve the nightly: run it by the clock, until this command is stopped."""
    _prepare(settings_file)
    from flows.schedule.clock import serve_nightly

    serve_nightly(cron, settings_file)


@app.command()
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
    settings_file: SettingsFile = None,
) -> None:
    """Measure what personalization is worth: draw the same targets in every variant, compare, report.

    The table evaluation_results holds every user's value of every measure; the evaluation settings
    have the sizes. Pictures drawn already are not drawn again: a run that was stopped is carried on.
    """
    _prepare(settings_file)
    from flows.commands.evaluate import summarize_evaluation
    from flows.schedule.evaluation_flow import evaluate_locally

    result = evaluate_locally(settings_file, data=data, alias=alias, variants=variants or ())
    print(summarize_evaluation(result))


@app.command()
def explain(user: str, item: str, settings_file: SettingsFile = None) -> None:
    """Say in words why the picture of an item for a user looks as it does."""
    settings = _prepare(settings_file)
    from flows.commands.explain import explain as explain_picture
    from flows.workspace import open_lake

    print(explain_picture(open_lake(settings, read_only=True), user, item))


@app.command()
def query(
    sql: str,
    output_format: Annotated[
        OutputFormat, typer.Option("--format", help="How to print the rows.")
    ] = OutputFormat.TABLE,
    settings_file: SettingsFile = None,
) -> None:
    """Run SQL on the lake, read only, and print the rows.

    `targets`, `profiles` and `artworks` are those of the last published night; a night in progress writes to
    the schema `night`.
    """
    settings = _prepare(settings_file)
    from flows.commands.query import run_query

    print(run_query(settings, sql, output_format.value))


@app.command()
def search(
    user: str,
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
    settings = _prepare(settings_file)
    from flows.commands.search import search as search_text
    from flows.commands.search_by_image import search_by_image

    if text is not None and image is None:
        hits = search_text(settings, user, text, num_hits=num_hits, alpha=alpha)
    elif image is not None and text is None:
        hits = search_by_image(settings, user, image, num_hits=num_hits, alpha=alpha)
    else:
        raise typer.BadParameter("give either a text or --image")
    for hit in hits:
        print(f"{hit.score:6.3f}  {hit.item_id:>8}  {hit.title}")


@app.command()
def draw(
    prompt: str,
    users: Annotated[
        list[str] | None, typer.Option("--user", help="Whose taste; several make a group.")
    ] = None,
    style: Annotated[
        str | None, typer.Option(help="A text whose style is mixed in, such as a brand's.")
    ] = None,
    style_share: Annotated[float, typer.Option(min=0, max=1, help="Its share of the weight.")] = 0.3,
    output: Annotated[Path, typer.Option(help="File to write.")] = Path("artwork.png"),
    settings_file: SettingsFile = None,
) -> None:
    """Draw one picture now: for a user, for a group of users, or in the style of a text."""
    settings = _prepare(settings_file)
    from flows.commands.draw import draw as draw_picture

    drawn = draw_picture(settings, prompt, users or [], style=style, style_share=style_share)
    output.write_bytes(drawn.image)
    print(f"{output}: {len(drawn.references)} references, digest {drawn.artwork_digest}")


@app.command()
def opt_out(
    user: str,
    undo: Annotated[bool, typer.Option("--undo", help="The user wants personalized pictures again.")] = False,
    settings_file: SettingsFile = None,
) -> None:
    """Note that a user wants no personalized pictures; the next night removes what was drawn for them."""
    settings = _prepare(settings_file)
    from feature_store.history import opt_outs
    from flows.workspace import open_lake

    (opt_outs.opt_in if undo else opt_outs.opt_out)(open_lake(settings), user)
    print(f"user {user} {'gets' if undo else 'gets no'} personalized pictures, from the next night on")


@app.command()
def forget(user: str, settings_file: SettingsFile = None) -> None:
    """Take a user out of every table, vector, picture, page and old snapshot, for good."""
    settings = _prepare(settings_file)
    from flows.commands.forget import forget as forget_user

    _print_counts("forgotten", forget_user(settings, user))


@app.command()
def backfill(run: str, settings_file: SettingsFile = None) -> None:
    """Select targets and references over again as a past run did, from what was known then."""
    settings = _prepare(settings_file)
    from flows.commands.backfill import backfill as run_again

    folder, counts = run_again(settings, run)
    _print_counts(f"in {folder}", counts)


@app.command()
def maintain(
    keep_days: Annotated[
        float, typer.Option(min=0, help="Keep snapshots of this many days; longer than any query runs.")
    ] = 2.0,
    settings_file: SettingsFile = None,
) -> None:
    """Compact the lake, expire old snapshots, delete pictures and files that nothing names any more."""
    settings = _prepare(settings_file)
    from datetime import timedelta

    from flows.commands.maintain import maintain as maintain_workspace

    _print_counts("maintained", maintain_workspace(settings, keep=timedelta(days=keep_days)))


@app.command()
def doctor(settings_file: SettingsFile = None) -> None:
    """Check the promises about the workspace, and say what to do where one is broken."""
    settings = _prepare(settings_file)
    from flows.commands.doctor import describe, examine

    findings = list(examine(settings))
    print("\n".join(describe(finding) for finding in findings))
    if any(finding.num_offenders for finding in findings):
        raise typer.Exit(1)


@studio_app.command("train")
def studio_train(
    size: Annotated[StudioSize, typer.Option(help="How much training: see the times in the model card.")],
    folder: Annotated[Path, typer.Option(help="Where everything is made and kept.")] = Path(
        "workspace/studio"
    ),
    seed: Annotated[int, typer.Option(min=0)] = 1,
    device: Annotated[str | None, typer.Option(help="cpu or cuda [default: cuda if there is one]")] = None,
    captions: Annotated[int, typer.Option(min=18, help="Test captions of the figures.")] = 2000,
    pairs: Annotated[int, typer.Option(min=1, help="Cases of the personalization figures.")] = 200,
) -> None:
    """Make the image model and its judge from drawn posters; a training that was stopped is carried on.

    Leaves `pipeline`, `judge`, and in `sheets` pictures and figures of what they can do.
    """
    prepare_environment(folder)
    from flows.commands.bundled_model import show, train

    pipeline, judge = train(size.value, seed, folder, device)
    _print_figures(show(pipeline, judge, folder / "sheets", num_captions=captions, num_pairs=pairs))


@studio_app.command("show")
def studio_show(
    folder: Annotated[Path, typer.Option(help="Where sheets and figures go.")] = Path(
        "workspace/studio/sheets"
    ),
    captions: Annotated[int, typer.Option(min=18, help="Test captions of the figures.")] = 2000,
    pairs: Annotated[int, typer.Option(min=1, help="Cases of the personalization figures.")] = 200,
) -> None:
    """Draw the sheets and measure the figures of the bundled model."""
    prepare_environment(folder)
    from fan_model.bundled import JUDGE_FOLDER, PIPELINE_FOLDER
    from flows.commands.bundled_model import show

    _print_figures(show(PIPELINE_FOLDER, JUDGE_FOLDER, folder, num_captions=captions, num_pairs=pairs))


def _print_figures(figures: dict[str, float]) -> None:
    for name, value in figures.items():
        print(f"{name.replace('_', ' '):36} {value:9.3f}")


def _print_counts(done: str, counts: dict[str, int]) -> None:
    print(f"{done}: " + ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in counts.items()))


def _prepare(settings_file: Path | None) -> Settings:
    settings = read_settings(settings_file)
    (settings.workspace / "prefect").mkdir(parents=True, exist_ok=True)
    prepare_environment(settings.workspace / "prefect")
    return settings


def _run(settings_file: Path | None, stages: Sequence[str]) -> None:
    """Run stages as one Prefect flow and print what they did."""
    settings = _prepare(settings_file)
    from flows.commands.summary import summarize
    from flows.schedule.nightly import run_locally
    from flows.workspace import check_writable

    check_writable(settings)
    night: dict[str, Any] = run_locally(settings_file, stages)
    print(summarize(settings, night, stages, settings_file))
