"""The report of an evaluation: a page that stands alone, and a run in MLflow."""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pyarrow as pa
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from PIL import Image

from evaluation.measures.identification import chance_hit, chance_reciprocal_rank
from evaluation.measures.picture_measures import MEASURES
from evaluation.protocol.variants import ANOTHER, CONSTANT, FULL, PLAIN, Variant
from evaluation.report.markdown import write_table
from evaluation.report.plots import Point, draw_contact_sheet, plot_alpha_sweep, plot_trade_off
from evaluation.statistics.findings import Findings, find
from evaluation.statistics.intervals import Resampling
from feature_store.lake.durable_files import write_durably
from flows.model.champion import configure_mlflow
from flows.study.drawing import plan, read_pictures
from flows.study.sample import Study
from flows.workspace import Workspace

EVALUATION_EXPERIMENT = "evaluation"

TABLES = {
    "Fidelity and preference": ("clip_target", "clip_history", "history_cosine", "own_minus_other"),
    "Re-identification": ("reciprocal_rank", "hit_at_1", "hit_at_10"),
    "Diversity and distance": ("diversity_within", "diversity_between", "kernel_distance"),
    "Text alignment": ("text_alignment_target", "text_alignment_history"),
}
SWEPT = {
    "clip_target": "CLIP score with the target (fidelity)",
    "history_cosine": "100 cos with the held-out history",
    "own_minus_other": "own minus other (preference)",
}
SHEET_COLUMNS = ("without target query", "without skip", "concatenated prompt", ANOTHER)
REFERENCES_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Page:
    """The report that was written."""

    path: Path
    findings: Findings
    table: str
    """The main table as Markdown."""


def write_report(study: Study, variants: Sequence[Variant], results: pa.Table, run_id: str) -> Page:
    """Write the page of an evaluation, its figures beside it and within, its rows as CSV and its main table.

    Args:
        study: what was evaluated.
        variants: as they were drawn.
        results: rows of `evaluation_results`, of this run.
        run_id: names the folder.
    """
    how = Resampling(confidence=study.settings.evaluation.confidence, seed=study.settings.seed)
    findings = find(results, [variant.name for variant in variants], how)
    figures, table = _figures(study, variants, findings), write_table(findings)
    folder = Workspace(study.settings.workspace).evaluation / run_id
    for name, png in figures.items():
        write_durably(folder / f"{name}.png", png)
    write_durably(folder / "results.csv", results.to_pandas().to_csv(index=False).encode())
    write_durably(folder / "table.md", table.encode())
    html = _template().render(
        run_id=run_id,
        study=study,
        evaluation=study.settings.evaluation,
        findings=findings,
        tables=TABLES,
        measures=MEASURES,
        chance=_chance(findings.num_users),
        figures={name: b64encode(png).decode() for name, png in figures.items()},
        sheet_rows=list(_sheet_rows(study, variants)),
    )
    write_durably(folder / "index.html", html.encode())
    return Page(path=folder / "index.html", findings=findings, table=table)


def report_to_mlflow(study: Study, page: Page, run_id: str) -> None:
    """Log settings, means, differences to the plain pictures, gains, p-values and the report's folder."""
    configure_mlflow(study.settings, EVALUATION_EXPERIMENT)
    sections = study.settings.model_dump(include={"evaluation", "drawing", "profile", "texts"})
    params = {
        f"{section}.{name}": value for section, values in sections.items() for name, value in values.items()
    }
    params |= {
        "seed": study.settings.seed,
        "model": f"{study.settings.model.name}@{study.settings.model.alias}",
        "model_version": study.champion.version,
    }
    tags = {
        "run_id": run_id,
        "snapshot_id": study.snapshot_id,
        "data_set": page.findings.data_set,
        "judge_revision": page.findings.judge_revision,
        "verdict": page.findings.verdict,
    }
    with mlflow.start_run(run_name=run_id):
        mlflow.log_params(params)
        mlflow.log_metrics(dict(_metrics(page.findings)))
        mlflow.set_tags(tags)
        mlflow.log_artifacts(str(page.path.parent))


def _template() -> Template:
    loader = PackageLoader("flows.study", ".")
    return Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).get_template("report.html")


def _metrics(findings: Findings) -> Iterator[tuple[str, float]]:
    yield "num_users", float(findings.num_users)
    for variant in findings.variants.values():
        prefix, comparison = variant.name.replace(",", ""), variant.comparison
        for measure, estimate in comparison.means.items():
            yield f"{prefix}/{measure}", estimate.mean
            yield f"{prefix}/{measure}_minus_plain", comparison.minus_plain[measure].mean
        for measure, gain in comparison.gains.items():
            yield f"{prefix}/{measure}_gain_mean_of_ratios_percent", gain.mean_of_ratios.mean
            yield f"{prefix}/{measure}_gain_ratio_of_means_percent", gain.ratio_of_means.mean
        for measure, p_value in variant.p_values.items():
            yield f"{prefix}/{measure}", p_value


def _chance(num_users: int) -> dict[str, float]:
    """What a guess is worth, for the measures that have such a value."""
    return {
        "own_minus_other": 0.0,
        "reciprocal_rank": chance_reciprocal_rank(num_users),
        "hit_at_1": chance_hit(num_users, 1),
        "hit_at_10": chance_hit(num_users, 10),
    }


def _figures(study: Study, variants: Sequence[Variant], findings: Findings) -> dict[str, bytes]:
    points = [
        Point(name=found.name, group=found.group, alpha=found.alpha, estimates=found.comparison.minus_plain)
        for found in findings.variants.values()
    ]
    swept = [point for point in points if point.name in {PLAIN, FULL} or point.group == "alpha"]
    sheets = {"alphas": _swept(variants), "variants": _others(variants)}
    return {
        "alpha_sweep": plot_alpha_sweep(swept, SWEPT),
        "trade_off": plot_trade_off(
            [point for point in points if point.name != CONSTANT],
            line=swept,
            fidelity="clip_target",
            preference="own_minus_other",
            labels=(SWEPT["clip_target"], SWEPT["own_minus_other"]),
        ),
        **{f"sheet_{name}": _sheet(study, columns) for name, columns in sheets.items()},
    }


def _swept(variants: Sequence[Variant]) -> list[Variant]:
    swept = [variant for variant in variants if variant.group == "alpha" or variant.name in {PLAIN, FULL}]
    return sorted(swept, key=lambda variant: variant.alpha)


def _others(variants: Sequence[Variant]) -> list[Variant]:
    return [variant for variant in variants if variant.name in {PLAIN, FULL, *SHEET_COLUMNS}]


def _shown(study: Study) -> list[int]:
    """Places of the first target of each user who is shown."""
    firsts: dict[int, int] = {}
    for place, target in enumerate(study.targets):
        firsts.setdefault(target.owner, place)
    return list(firsts.values())[: study.settings.evaluation.sheet_users]


def _sheet(study: Study, columns: Sequence[Variant]) -> bytes:
    """A contact sheet: a row per shown target, a column per variant; a refused picture is blank."""
    blank = Image.new("RGB", (8, 8), "lightgray")
    digests = [plan(study, variant).digests for variant in columns]
    rows = [
        [picture or blank for picture in read_pictures(study, [column[place] for column in digests])]
        for place in _shown(study)
    ]
    return draw_contact_sheet(rows, [variant.name for variant in columns])


def _sheet_rows(study: Study, variants: Sequence[Variant]) -> Iterator[Mapping[str, object]]:
    """What the rows of the sheets show: the user, the target, and the first references of the full method."""
    (full,) = (variant for variant in variants if variant.name == FULL)
    requests = plan(study, full).requests
    for place in _shown(study):
        target = study.targets[place]
        yield {
            "user_id": study.users[target.owner].user_id,
            "text": target.text,
            "references": requests[place].references[:REFERENCES_SHOWN],
            "num_more": max(0, len(requests[place].references) - REFERENCES_SHOWN),
        }
