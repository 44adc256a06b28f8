"""An evaluation: draw the same targets in every variant, measure, compare, report.

Pictures are files named by what they are made of, so a run that was killed is carried on by the next one, and
a second run draws nothing. The results enter the lake all at once.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path

import mlflow

from evaluation.measures.judge import ClipJudge
from evaluation.protocol import measuring, plan
from evaluation.protocol.design import StudyOrigin
from evaluation.protocol.study import Study, build_study
from evaluation.protocol.variants import Variant
from evaluation.report.metrics import list_metrics
from evaluation.report.page import ReportPage, write_report
from fan_model.bundled import JUDGE_FOLDER
from feature_store.lake.durable_files import write_durably
from feature_store.lake.stored_files import FolderFiles
from feature_store.schemas import EVALUATION_RESULTS
from feature_store.tables.evaluations import append_results, read_results
from feature_store.tables.runs import Run
from flows.commands.evaluation_choice import choose, data_name, data_settings, make_design, make_variants
from flows.commands.evaluation_data import read_evaluation_data
from flows.keeping.sealing import seal
from flows.model.champion import configure_mlflow, load_champion, require_alias
from flows.model.peer_methods import open_peers
from flows.night_lock import hold_night
from flows.settings import BUNDLED_PIPELINE, Settings
from flows.stages.crowd import choose_population_crowd
from flows.stages.embed import render
from flows.stages.ingest import ingest_files
from flows.stages.pictures import PictureFiles
from flows.stages.recipes import evaluation_recipe
from flows.stages.task_map import IN_TURN, TaskMap
from flows.workspace import EVALUATION_EXPERIMENT, EVALUATION_PICTURES, Workspace, open_lake


@dataclass(frozen=True, kw_only=True)
class EvaluationSummary:
    """What an evaluation found, and where to look."""

    run_id: str
    num_users: int
    num_pictures: int
    """Pictures that were wanted."""
    drawn: int = 0
    """Those of them that were drawn now."""
    page: Path
    """The report."""
    table: str
    """The main table, as Markdown."""
    verdict: str
    comparison: str = ""
    """What was found of other methods and of what they cost, as Markdown; empty where none was asked for."""


def evaluate(
    settings: Settings,
    *,
    data: str | None = None,
    alias: str | None = None,
    variants: Sequence[str] = (),
    peers: bool = False,
    tasks: TaskMap = IN_TURN,
) -> EvaluationSummary:
    """Measure what personalization is worth on a data set, with a model, in some variants.

    Args:
        settings: hold for all that is not chosen here.
        data: `movielens=FOLDER` or `prompt_histories=FOLDER`.
        alias: of the registered model to evaluate.
        variants: names of variants.
        peers: compare with the other methods.
        tasks: runs the parts.

    Returns:
        What was found, and where to look.

    Raises:
        SettingsError: if there is no such kind of data set.
        UnknownVariantError: if a variant does not exist.
        UnknownModelError: if no registered model has the chosen alias.
        ClipError: if there is no such judge; nothing is drawn then.
        NightInProgressError: if a night is running on the lake that histories are read from.
    """
    chosen = choose(settings, data=data, alias=alias, variants=variants, peers=peers)
    names = [variant.name for variant in make_variants(chosen)]
    if alias:
        require_alias(chosen)
    # One that is not there is told before hours are spent on drawing.
    load_judge(chosen)
    run = tasks.run("take-in-data", partial(take_in_data, chosen))
    drawn = sum(tasks.map("draw-variant", partial(draw_variant, chosen, run), names, whole_machine=True))
    tasks.run("measure-variants", partial(measure_variants, chosen, run))
    return replace(tasks.run("report", partial(report, chosen, run)), drawn=drawn)


def take_in_data(settings: Settings) -> Run:
    """Take in what is new in the data set, and render the items' texts; what is known by then counts."""
    now = datetime.now(UTC)
    run = Run(
        run_id=f"evaluation-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(2)}", window_start=None, window_end=now
    )
    source = data_settings(settings)
    with hold_night(source):
        lake = open_lake(source)
        # A data set that cannot be read leaves nothing to evaluate; a night's logs may have a fault.
        on_bad_file = "stop" if settings.evaluation.data else source.on_bad_file
        ingest_files(source.model_copy(update={"on_bad_file": on_bad_file}), lake, run)
        render(settings, lake, load_champion(settings).artist)
    return replace(run, window_end=datetime.now(UTC))


def draw_variant(settings: Settings, run: Run, variant_name: str) -> int:
    """Draw the pictures of one variant that are not there yet; return how many.

    A method that cannot draw with the model draws none, and the report says why.
    """
    (variant,) = (one for one in make_variants(settings) if one.name == variant_name)
    study = open_study(settings, run)
    return plan.draw_variant(study, variant, open_pictures(settings)) if _can_draw(study, variant) else 0


def measure_variants(settings: Settings, run: Run) -> None:
    """Measure all variants and add the results to the workspace's lake."""
    study, pictures = open_study(settings, run), open_pictures(settings)
    rows = measuring.measure(study, _drawn(study, settings), pictures, load_judge(settings))
    append_results(open_lake(settings), EVALUATION_RESULTS.to_arrow(rows))


def report(settings: Settings, run: Run) -> EvaluationSummary:
    """Write the report page from the lake's rows, and log the run to MLflow."""
    study = open_study(settings, run)
    variants = _drawn(study, settings)
    results = read_results(open_lake(settings), run.run_id)
    page = write_report(study, variants, results, open_pictures(settings))
    folder = Workspace(settings.workspace).evaluation / run.run_id
    for name, content in page.files.items():
        write_durably(folder / name, content)
    report_to_mlflow(settings, study, page, folder)
    seal(settings)
    return EvaluationSummary(
        run_id=run.run_id,
        num_users=page.findings.num_users,
        num_pictures=len(study.targets) * len(variants),
        page=folder / "index.html",
        table=page.table,
        verdict=page.findings.verdict,
        comparison=page.comparison,
    )


def report_to_mlflow(settings: Settings, study: Study, page: ReportPage, folder: Path) -> None:
    """Log settings, means, differences to the plain pictures, gains, p-values and the report's folder."""
    configure_mlflow(settings, EVALUATION_EXPERIMENT)
    sections = settings.model_dump(include={"evaluation", "drawing", "profile", "texts"})
    params = {
        f"{section}.{name}": value for section, values in sections.items() for name, value in values.items()
    }
    params |= {
        "seed": settings.seed,
        "model": f"{settings.model.name}@{settings.model.alias}",
        "model_version": study.origin.model_version,
    }
    tags = {
        "run_id": study.origin.run_id,
        "snapshot_id": study.origin.snapshot_id,
        "data_set": page.findings.data_set,
        "judge_fingerprint": page.findings.judge_fingerprint,
        "verdict": page.findings.verdict,
    }
    with mlflow.start_run(run_name=study.origin.run_id):
        mlflow.log_params(params)
        mlflow.log_metrics(dict(list_metrics(page.findings)))
        mlflow.set_tags(tags)
        mlflow.log_artifacts(str(folder))


@lru_cache(maxsize=1)
def open_study(settings: Settings, run: Run) -> Study:
    """Build the study of a run, once per process.

    Raises:
        TooFewUsersError: if fewer than two users have enough history.
    """
    lake, champion = open_lake(data_settings(settings)), load_champion(settings)
    data, methods = read_evaluation_data(settings, lake, run), open_peers(settings, champion.artist)
    origin = StudyOrigin(
        run_id=run.run_id,
        data_set=data_name(settings),
        model_version=champion.version,
        recipe_digest=evaluation_recipe(settings, champion.artist.pipeline_fingerprint),
        snapshot_id=lake.snapshot_id(),
    )
    return build_study(
        make_design(settings),
        origin,
        champion.artist,
        histories=data.histories,
        targets=data.targets,
        disliked=data.disliked,
        crowd=choose_population_crowd(settings, champion.artist, data.population),
        peers=methods.fit,
        left_out=methods.left_out,
    )


def _can_draw(study: Study, variant: Variant) -> bool:
    return not variant.peer or variant.peer in study.peers


def _drawn(study: Study, settings: Settings) -> list[Variant]:
    """The variants that can draw with the model."""
    return [variant for variant in make_variants(settings) if _can_draw(study, variant)]


def open_pictures(settings: Settings) -> PictureFiles:
    """Open the pictures of evaluations, which are kept apart from the gallery's."""
    return PictureFiles(
        artist=load_champion(settings).artist,
        files=FolderFiles(settings.workspace),
        folder=EVALUATION_PICTURES,
        image_format=settings.drawing.image_format,
        notes_refusals=True,
    )


def load_judge(settings: Settings) -> ClipJudge:
    """Load the CLIP that the settings name."""
    name = settings.evaluation.judge
    source = JUDGE_FOLDER if name == BUNDLED_PIPELINE else name
    return ClipJudge.from_pretrained(source, device=settings.model.device)


def summarize_evaluation(summary: EvaluationSummary) -> str:
    """Say what an evaluation found and where to look, for the person at the terminal."""
    return "\n".join(
        [
            "",
            summary.table,
            *([summary.comparison] if summary.comparison else []),
            f"Run {summary.run_id}: {summary.num_users:,} users, {summary.num_pictures:,} pictures, "
            f"{summary.drawn:,} of them drawn now",
            f"  {summary.verdict}",
            "Look at",
            f"  report    {summary.page.as_uri()}",
            f"  table     {summary.page.with_name('table.md')}",
            '  DuckDB    fan query "select variant, measure, avg(value) from evaluation_results '
            f"where run_id = '{summary.run_id}' group by all order by all\"",
        ]
    )
