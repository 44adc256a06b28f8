"""An evaluation as a Prefect flow."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from prefect import flow
from prefect.artifacts import create_link_artifact
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from flows.commands.evaluate import EvaluationSummary, evaluate
from flows.commands.evaluation_choice import choose, make_variants
from flows.schedule.prefect_tasks import PrefectTasks, log_if_deployed, tell_all, tell_kind
from flows.schedule.server import ServerError, use_server
from flows.settings import read_settings


@flow(name="evaluate", validate_parameters=False, persist_result=False)
def evaluation(
    settings_file: str | None = None,
    data: str | None = None,
    alias: str | None = None,
    variants: Sequence[str] = (),
    peers: bool = False,
) -> EvaluationSummary:
    """Measure what personalization is worth on a data set, with a model, in some variants.

    Args:
        settings_file: TOML file of the settings, `fan.toml` by default.
        data: `movielens=FOLDER` or `prompt_histories=FOLDER`; by default what the settings say.
        alias: of the registered model to evaluate; by default the settings'.
        variants: names of variants; by default the settings'.
        peers: compare with the other methods, even where the settings do not.

    Returns:
        What was found, and where to look.

    Raises:
        StoppedError: in place of any error, which it holds.
    """
    return tell_kind(partial(_run, settings_file, data, alias, variants, peers))


def evaluate_locally(
    settings_file: Path | None,
    *,
    data: str | None,
    alias: str | None,
    variants: Sequence[str],
    peers: bool,
) -> EvaluationSummary:
    """Run the flow in this process; without Prefect if it has no server to tell.

    Raises:
        SettingsError, UnknownVariantError: before that, if the choice cannot be.
    """
    settings = read_settings(settings_file)
    make_variants(choose(settings, data=data, alias=alias, variants=variants, peers=peers))
    file = str(settings_file) if settings_file else None
    try:
        with use_server(), temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            return tell_all(partial(evaluation, file, data, alias, variants, peers))
    except ServerError as error:
        print(f"fan: {error}. This goes on without Prefect", file=sys.stderr)
        return evaluate(settings, data=data, alias=alias, variants=variants, peers=peers)


def _run(
    settings_file: str | None, data: str | None, alias: str | None, variants: Sequence[str], peers: bool
) -> EvaluationSummary:
    try:
        settings = read_settings(Path(settings_file) if settings_file else None)
        result = evaluate(
            settings, data=data, alias=alias, variants=variants, peers=peers, tasks=PrefectTasks()
        )
        create_link_artifact(result.page.as_uri(), link_text="Evaluation", key="evaluation")
    except Exception as error:
        log_if_deployed(error)
        raise
    return result
