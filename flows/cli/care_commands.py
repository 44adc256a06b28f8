"""For who takes care of the data: opting out, forgetting, past nights, upkeep and checks."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.preparation import SettingsFile, User, prepare, print_counts
from flows.cli.terminal import printable


def opt_out(
    user: User,
    undo: Annotated[bool, typer.Option("--undo", help="The user wants personalized pictures again.")] = False,
    settings_file: SettingsFile = None,
) -> None:
    """Note that a user wants no personalized pictures; the next night removes what was drawn for them."""
    settings = prepare(settings_file)
    from feature_store.history import opt_outs
    from flows.keeping.sealing import check_lake, seal
    from flows.night_lock import CATALOGUE_ONLY
    from flows.workspace import open_lake

    check_lake(settings, CATALOGUE_ONLY)
    (opt_outs.opt_in if undo else opt_outs.opt_out)(open_lake(settings), user)
    seal(settings, "lake/")
    change = "personalized pictures, from the next night" if undo else "no personalized pictures, from now"
    print(f"user {user} gets {change} on")


def forget(
    user: User,
    undo: Annotated[
        bool, typer.Option("--undo", help="Let logs bring the user back, also by events of before.")
    ] = False,
    settings_file: SettingsFile = None,
) -> None:
    """Take a user out of every table, vector, picture, page and old snapshot, for good.

    The same log delivered again does not bring the user back; an event of after this does.
    """
    settings = prepare(settings_file)
    from flows.commands.forget import forget as forget_user
    from flows.commands.forget import remember

    if undo:
        remember(settings, user)
        print(f"user {user} comes back with the next log that names them")
        return
    print_counts("forgotten", forget_user(settings, user))


def crowd(
    renew: Annotated[
        bool, typer.Option("--renew", help="Choose another from what everybody likes now.")
    ] = False,
    settings_file: SettingsFile = None,
) -> None:
    """Show what everybody likes, which pictures are contrasted with, and whether it still holds.

    The crowd stays until what everybody likes has moved too far: another one redraws every personal picture.
    """
    settings = prepare(settings_file)
    from flows.commands.crowd_renewal import describe_crowd, look_at_crowd, renew_crowd

    print(printable(describe_crowd(renew_crowd(settings) if renew else look_at_crowd(settings))))


def backfill(
    run: Annotated[str, typer.Argument(help="Id of the past run, as `runs` has it.")],
    settings_file: SettingsFile = None,
) -> None:
    """Select targets and references over again as a past run did, from what was known then."""
    settings = prepare(settings_file)
    from flows.commands.backfill import backfill as run_again

    folder, counts = run_again(settings, run)
    print_counts(f"in {folder}", counts)


def maintain(
    keep_days: Annotated[
        float, typer.Option(min=0, help="Keep snapshots of this many days; longer than any query runs.")
    ] = 2.0,
    settings_file: SettingsFile = None,
) -> None:
    """Compact the lake, expire old snapshots, delete pictures and files that nothing names any more."""
    settings = prepare(settings_file)
    from datetime import timedelta

    from flows.commands.maintain import maintain as maintain_workspace

    print_counts("maintained", maintain_workspace(settings, keep=timedelta(days=keep_days)))


def backup(
    folder: Annotated[Path, typer.Argument(help="Where the copy goes; made if it is not there.")],
    settings_file: SettingsFile = None,
) -> None:
    """Copy the workspace into an empty folder, also while a night runs, and examine the copy."""
    settings = prepare(settings_file)
    from flows.keeping.backup import back_up

    print(f"{folder}: {back_up(settings, folder):,} files, all sound. Users who are forgotten stay in it")


def restore(
    folder: Annotated[Path, typer.Argument(help="What `fan backup` wrote.")],
    settings_file: SettingsFile = None,
) -> None:
    """Put a backup in the place of the workspace, which is kept beside it."""
    settings = prepare(settings_file)
    from flows.keeping.backup import restore as put_back

    before, could_tell = put_back(settings, folder)
    print(f"restored from {folder}; what was there is in {before}: delete it when you are content")
    if not could_tell:
        print("users who were forgotten or opted out since the backup are not known: tell it anew")


def doctor(
    deep: Annotated[
        bool, typer.Option("--deep", help="Compare every file that is kept with its checksum.")
    ] = False,
    settings_file: SettingsFile = None,
) -> None:
    """Check the promises about the workspace, and say what to do where one is broken."""
    settings = prepare(settings_file)
    from flows.commands.doctor import describe, examine, say_what_was_left_out

    findings = list(examine(settings, is_deep=deep))
    print(printable("\n".join(describe(finding) for finding in findings)))
    print(say_what_was_left_out(is_deep=deep))
    if any(finding.num_offenders and finding.is_broken for finding in findings):
        raise typer.Exit(1)


def verify(
    number: Annotated[int, typer.Argument(min=1, help="How many stored pictures to draw again.")],
    distance: Annotated[
        float,
        typer.Option(min=0, help="Visible change (CIELAB) up to which two pictures are one; 2 can be seen."),
    ] = 1.0,
    settings_file: SettingsFile = None,
) -> None:
    """Draw stored pictures again, and say whether their bytes agree, or else their pixels or their looks.

    Nothing is changed. The exit status is 1 if a picture is further off than the distance, or could not be
    drawn: after a new driver, another card or another version of torch, that tells what a night would do.
    """
    settings = prepare(settings_file)
    from flows.keeping.verification import describe_comparisons, verify_pictures

    compared = verify_pictures(settings, number)
    print("\n".join(describe_comparisons(compared, distance)))
    if not all(each.agrees(distance) for each in compared):
        raise typer.Exit(1)
