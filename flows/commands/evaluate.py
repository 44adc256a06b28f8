"""An evaluation: draw the same targets in every variant, measure, compare, report.

Pictures are files named by what they are made of, so a run that was killed is carried on by the next one, and
a second run draws nothing. The results enter the lake all at once.
"""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from feature_store.tables.evaluations import append_results, read_results
from feature_store.tables.items import render_texts
from feature_store.tables.runs import Run
from flows.model.champion import load_champion, require_alias
from flows.night_lock import hold_night
from flows.settings import Settings
from flows.stages.ingest import ingest_files
from flows.stages.task_map import IN_TURN, TaskMap
from flows.study.choice import choose, data_settings, make_variants
from flows.study.drawing import draw
from flows.study.measuring import measure
from flows.study.report import report_to_mlflow, write_report
from flows.study.sample import Study, build_study
from flows.workspace import open_lake


def evaluate(
    settings: Settings,
    *,
    data: str | None = None,
    alias: str | None = None,
    variants: Sequence[str] = (),
    tasks: TaskMap = IN_TURN,
) -> dict[str, Any]:
    """Measure what personalization is worth on a data set, with a model, in some variants.

    Args:
        settings: hold for all that is not chosen here.
        data: `movielens=FOLDER` or `prompt_histories=FOLDER`.
        alias: of the registered model to evaluate.
        variants: names of variants.
        tasks: runs the parts.

    Returns:
        `run_id`, `users`, `pictures` (wanted), `drawn` (now), `report` (path of the page), `table` (the main
        one as Markdown), `verdict`.

    Raises:
        SettingsError: if there is no such kind of data set.
        UnknownVariantError: if a variant does not exist.
        UnknownModelError: if no registered model has the chosen alias.
        NightInProgressError: if a night is running on the lake that histories are read from.
    """
    chosen = choose(settings, data=data, alias=alias, variants=variants)
    names = [variant.name for variant in make_variants(chosen)]
    if alias:
        require_alias(chosen)
    run = tasks.run("take-in-data", partial(take_in_data, chosen))
    drawn = sum(tasks.map("draw-variant", partial(draw_variant, chosen, run), names, whole_machine=True))
    tasks.run("measure-variants", partial(measure_variants, chosen, run))
    return {"run_id": run.run_id, "drawn": drawn, **tasks.run("report", partial(report, chosen, run))}


def take_in_data(settings: Settings) -> Run:
    """Take in what is new in the data set, and render the items' texts; what is known by then counts."""
    now = datetime.now(UTC)
    run = Run(
        run_id=f"evaluation-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(2)}", window_start=None, window_end=now
    )
    source = data_settings(settings)
    with hold_night(source):
        lake = open_lake(source)
        ingest_files(source, lake, run)
        render_texts(
            lake,
            reference_template=settings.texts.reference_template,
            target_template=settings.texts.target_template,
        )
    return replace(run, window_end=datetime.now(UTC))


def draw_variant(settings: Settings, run: Run, variant_name: str) -> int:
    """Draw the pictures of one variant that are not there yet; return how many."""
    (variant,) = (one for one in make_variants(settings) if one.name == variant_name)
    return draw(open_study(settings, run), variant)


def measure_variants(settings: Settings, run: Run) -> None:
    """Measure all variants and add the results to the workspace's lake."""
    rows = measure(open_study(settings, run), make_variants(settings), run.run_id)
    append_results(open_lake(settings), rows)


def report(settings: Settings, run: Run) -> dict[str, Any]:
    """Write the report page from the lake's rows, and log the run to MLflow."""
    study, variants = open_study(settings, run), make_variants(settings)
    results = read_results(open_lake(settings), run.run_id)
    page = write_report(study, variants, results, run.run_id)
    report_to_mlflow(study, page, run.run_id)
    return {
        "users": page.findings.num_users,
        "pictures": len(study.targets) * len(variants),
        "report": str(page.path),
        "table": page.table,
        "verdict": page.findings.verdict,
    }


@lru_cache(maxsize=1)
def open_study(settings: Settings, run: Run) -> Study:
    """Build the study of a run, once per process."""
    return build_study(settings, open_lake(data_settings(settings)), load_champion(settings), run)


def summarize_evaluation(result: dict[str, Any]) -> str:
    """Say what an evaluation found and where to look, for the person at the terminal."""
    return "\n".join(
        [
            "",
            result["table"],
            f"Run {result['run_id']}: {result['users']:,} users, {result['pictures']:,} pictures, "
            f"{result['drawn']:,} of them drawn now",
            f"  {result['verdict']}",
            "Look at",
            f"  report    {Path(result['report']).as_uri()}",
            f"  table     {Path(result['report']).with_name('table.md')}",
            '  DuckDB    fan query "select variant, measure, avg(value) from evaluation_results '
            f"where run_id = '{result['run_id']}' group by all order by all\"",
        ]
    )
