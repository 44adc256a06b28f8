"""For the person who runs the night: the whole of it, each of its stages, and the clock that starts it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.preparation import SettingsFile, prepare, print_counts
from flows.cli.terminal import printable

FAULTS_EXIT = 3
"""Exit status of a night that is published, or a command that is done, and of which something is missing."""


def nightly(settings_file: SettingsFile = None) -> None:
    """Run the whole night: ingest, embed, profile, generate, publish.

    What is done already is not done again: a second run on unchanged input draws nothing, and a run that was
    stopped is carried on. A file that cannot be read, or a picture that cannot be drawn, costs only itself:
    the night is published with faults, and the exit status is 3.
    """
    _run_stages(settings_file, ("ingest", "embed", "profile", "generate", "publish"))


def ingest(
    settings_file: SettingsFile = None,
    again: Annotated[
        list[str] | None,
        typer.Option(help="File, as ingested_files names it, to read anew though nothing about it is new."),
    ] = None,
) -> None:
    """Stage 1: take new logs, catalogues and lists into the lake, and decide which pictures are wanted."""
    if again:
        settings = prepare(settings_file)
        from feature_store.intake.ledger import read_again
        from flows.night_lock import hold_night
        from flows.workspace import open_lake

        with hold_night(settings):
            read_again(open_lake(settings), again)
    _run_stages(settings_file, ("ingest",))


def embed(
    settings_file: SettingsFile = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Encode every text and picture anew, with the model in use.")
    ] = False,
) -> None:
    """Stage 2: encode new texts, and pictures where they act, into the reference store."""
    settings = prepare(settings_file)
    if rebuild:
        from feature_store.vectors.reference_store import erase_store
        from flows.night_lock import hold_night
        from flows.workspace import open_workspace

        with hold_night(settings):
            workspace = open_workspace(settings)
            erase_store(workspace.references, workspace.reference_copies)
            erase_store(workspace.reference_pictures, workspace.picture_copies)
    _run_stages(settings_file, ("embed",))


def profile(settings_file: SettingsFile = None) -> None:
    """Stage 3: select each user's references for each target (tailored profiling)."""
    _run_stages(settings_file, ("profile",))


def generate(settings_file: SettingsFile = None) -> None:
    """Stage 4: draw the pictures whose profile, text or settings changed, through the registered model."""
    _run_stages(settings_file, ("generate",))


def publish(settings_file: SettingsFile = None) -> None:
    """Stage 5: show the night to readers all at once, write the gallery and the reports."""
    _run_stages(settings_file, ("publish",))


def init(
    data: Annotated[list[Path], typer.Argument(help="Files and folders of logs, catalogues and lists.")],
    output: Annotated[Path, typer.Option(help="The settings file to write.")] = Path("fan.toml"),
    like: Annotated[
        str | None,
        typer.Option(help="Public data set that the folder holds: Netflix Prize, MIND, ..."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write without asking.")] = False,
) -> None:
    """Look at your data, and write a first fan.toml that reads it.

    Columns are guessed from their names and values, and shown before anything is written. A file that is
    there is never written over.
    """
    from feature_store.lake.durable_files import write_durably
    from flows.setup.first_settings import draft_from_recipe, draft_settings
    from recsys_adapters.data_sets.recipe_files import find_recipe

    if output.exists():
        raise typer.BadParameter(f"{output} is there already: move it aside, or name another with --output")
    paths = [path.expanduser().resolve() for path in data]
    base = output.resolve().parent
    draft = draft_from_recipe(find_recipe(like), paths[0]) if like else draft_settings(paths, base)
    print("\n".join(draft.told))
    if not yes and not typer.confirm(f"Write {output}?", default=True):
        raise typer.Exit(1)
    write_durably(output, draft.toml.encode())
    print(f"{output} is written: look through it, then run `fan check` and `fan nightly`")


def check(settings_file: SettingsFile = None) -> None:
    """Look ahead before a night is spent: settings, sources, model and workspace, every problem at once.

    Of each source the first 1,000 records are read, and nothing is kept. The exit status is 1 if a night
    would fail, or miss something.
    """
    settings = prepare(settings_file)
    from flows.setup.check import check as look_ahead
    from flows.setup.check import describe_problems

    lines, problems = look_ahead(settings)
    print("\n".join(lines))
    for problem in describe_problems(problems, settings_file):
        print(problem)
    print(f"{len(problems)} problems" if problems else "nothing in the way of a night")
    if problems:
        raise typer.Exit(1)


def plan(settings_file: SettingsFile = None) -> None:
    """Say before a night how many pictures it draws, how long that takes, and how much disk they need.

    Counted as the lake is now: what was not taken in yet (`fan ingest`) is not counted. How long a picture
    takes, and how large it is, is measured on two batches, which are not kept.
    """
    settings = prepare(settings_file)
    from flows.setup.night_plan import describe_plan, plan_night

    print("\n".join(describe_plan(plan_night(settings))))


def describe(settings_file: SettingsFile = None) -> None:
    """Describe how items' own pictures look, with the model of [describe]: the field {style} of templates.

    Each picture is described once by its content, model and prompt. It is run after `fan ingest` and before
    the night, which reads what is there; killed, it goes on from there. A picture that cannot be read or
    described is a row of `descriptions` with its reason; the exit status is 3 if that is all of them.
    """
    settings = prepare(settings_file)
    from flows.commands.describe import describe as describe_pictures

    counts = describe_pictures(settings)
    print_counts("described", counts.told())
    for reason, number in counts.refused.most_common():
        print(f"  {number:,} refused: {reason}")
    if counts.pictures and counts.refused.total() == counts.pictures:
        raise typer.Exit(FAULTS_EXIT)


def schedule(
    cron: Annotated[str, typer.Option(help="When, as a cron expression in UTC.")] = "0 3 * * *",
    settings_file: SettingsFile = None,
) -> None:
    """Serve the nightly: run it by the clock, until this command is stopped."""
    prepare(settings_file)
    from flows.schedule.clock import serve_nightly

    serve_nightly(cron, settings_file)


def _run_stages(settings_file: Path | None, stages: Sequence[str]) -> None:
    """Run stages as one Prefect flow and print what they did."""
    settings = prepare(settings_file)
    from flows.commands.summary import summarize
    from flows.schedule.nightly import run_locally
    from flows.workspace import check_writable

    check_writable(settings)
    night = run_locally(settings_file, stages)
    print(printable(summarize(settings, night, stages, settings_file)))
    if {"ingest", "publish"} & {*stages} and night.has_faults:
        raise typer.Exit(FAULTS_EXIT)
