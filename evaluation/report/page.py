"""The report of an evaluation: a page that stands alone, its figures, its rows and its main table."""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from PIL import Image

from evaluation.measures.identification import chance_hit, chance_reciprocal_rank
from evaluation.measures.picture_measures import MEASURES
from evaluation.protocol.picture_store import Pictures
from evaluation.protocol.plan import plan_own, plan_variant, read_pictures
from evaluation.protocol.results import EvaluationResult
from evaluation.protocol.study import Study
from evaluation.protocol.variants import ANOTHER, CONSTANT, FULL, PAPER, PLAIN, Variant
from evaluation.report.markdown import write_power, write_table
from evaluation.report.peer_plots import draw_methods_sheet, plot_methods
from evaluation.report.peer_table import compared_methods, judge_methods, write_comparison
from evaluation.report.plots import (
    BLUE,
    GREEN,
    ORANGE,
    Line,
    Point,
    draw_contact_sheet,
    plot_sweeps,
    plot_trade_off,
)
from evaluation.statistics.findings import Findings, find
from evaluation.statistics.intervals import Resampling

TABLES = {
    "Fidelity and preference": (
        "clip_target",
        "clip_history",
        "history_cosine",
        "own_minus_other",
        "own_minus_other_centred",
    ),
    "Re-identification": ("reciprocal_rank", "hit_at_1", "hit_at_10", "change_reciprocal_rank"),
    "Diversity and distance": ("diversity_within", "diversity_between", "kernel_distance"),
    "Text alignment": ("text_alignment_target", "text_alignment_history"),
}
SWEPT = {
    "clip_target": "CLIP score with the target (fidelity)",
    "history_cosine": "100 cos with the held-out history",
    "own_minus_other": "own minus other (preference)",
}
MAX_COLUMNS = 8
"""Of a sheet of variants, where more were drawn than `SHEET_COLUMNS` names."""
SHEET_COLUMNS = ("without target query", "without skip", "concatenated prompt", ANOTHER)
REFERENCES_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class ReportPage:
    """The report, ready to be written into a folder."""

    files: Mapping[str, bytes]
    """Contents by name: `index.html`, figures, `results.csv`, `table.md`."""
    findings: Findings
    table: str
    """The main table as Markdown."""
    comparison: str
    """That of other methods; empty where there were none."""


def write_report(
    study: Study, variants: Sequence[Variant], results: pa.Table, pictures: Pictures
) -> ReportPage:
    """Write the page of an evaluation with its figures within, and the files beside it.

    Args:
        study: what was evaluated.
        variants: as they were drawn.
        results: rows of `evaluation_results`, of this run.
        pictures: as they were drawn.
    """
    how = Resampling(confidence=study.design.confidence, seed=study.design.seed)
    rows = (EvaluationResult(**row) for row in results.to_pylist())
    findings = find(rows, [variant.name for variant in variants], how)
    figures, table = _figures(study, variants, findings, pictures), write_table(findings)
    methods, comparison = compared_methods(findings), write_comparison(findings, study.left_out)
    if methods:
        drawn = [next(variant for variant in variants if variant.name == one.name) for one in methods]
        figures |= {"methods": plot_methods(methods), "sheet_methods": _methods_sheet(study, drawn, pictures)}
    html = _template().render(
        study=study,
        design=study.design,
        findings=findings,
        tables=TABLES,
        measures=MEASURES,
        chance=_chance(findings.num_users),
        power=write_power(findings),
        figures={name: b64encode(png).decode() for name, png in figures.items()},
        sheet_rows=list(_sheet_rows(study, variants)),
        methods=methods,
        methods_verdict=judge_methods(findings) if methods else "",
    )
    files = {
        "index.html": html.encode(),
        "results.csv": results.to_pandas().to_csv(index=False).encode(),
        "table.md": table.encode(),
    }
    files |= {"methods.md": comparison.encode()} if methods else {}
    files |= {f"{name}.png": png for name, png in figures.items()}
    return ReportPage(files=files, findings=findings, table=table, comparison=comparison)


def _template() -> Template:
    loader = PackageLoader("evaluation.report", ".")
    return Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).get_template("report.html")


def _chance(num_users: int) -> dict[str, float]:
    """What a guess is worth, for the measures that have such a value."""
    return {
        "own_minus_other": 0.0,
        "own_minus_other_centred": 0.0,
        "reciprocal_rank": chance_reciprocal_rank(num_users),
        "change_reciprocal_rank": chance_reciprocal_rank(num_users),
        "hit_at_1": chance_hit(num_users, 1),
        "hit_at_10": chance_hit(num_users, 10),
    }


def _figures(
    study: Study, variants: Sequence[Variant], findings: Findings, pictures: Pictures
) -> dict[str, bytes]:
    contrasts = {variant.name: variant.contrast for variant in variants}
    points = [
        Point(
            name=found.name,
            group=found.group,
            strength=contrasts.get(found.name) or found.alpha,
            estimates=found.comparison.minus_plain,
        )
        for found in findings.variants.values()
    ]
    lines = _lines(points, contrasts=bool(contrasts[FULL]))
    sheets = {"strengths": _swept(variants), "variants": _others(variants)}
    return {
        "sweep": plot_sweeps(lines, SWEPT),
        "trade_off": plot_trade_off(
            [point for point in points if point.name != CONSTANT],
            lines=lines,
            fidelity="clip_target",
            preference="own_minus_other",
            labels=(SWEPT["clip_target"], SWEPT["own_minus_other"]),
        ),
        **{f"sheet_{name}": _sheet(study, columns, pictures) for name, columns in sheets.items()},
    }


def _lines(points: Sequence[Point], *, contrasts: bool) -> list[Line]:
    """The paper's method and `full` as alpha grows, and what sets a user apart as its contrast grows."""
    groups = {point.group for point in points}
    is_apart = any(point.name == PAPER for point in points)
    own = {PLAIN, FULL} if contrasts else {PLAIN} if "contrast" in groups else set()
    chosen = (
        ("alpha of the paper's method", {PLAIN, PAPER if is_apart else FULL}, "alpha", BLUE),
        ("alpha of full", {PLAIN, FULL} if "strength" in groups else set(), "strength", GREEN),
        ("contrast", own, "contrast", ORANGE),
    )
    return [
        Line(
            label=label,
            color=color,
            points=[point for point in points if point.name in names or point.group == group],
        )
        for label, names, group, color in chosen
        if names
    ]


def _swept(variants: Sequence[Variant]) -> list[Variant]:
    """`full` as it grows stronger, after the plain way and the paper's."""
    (full,) = (variant for variant in variants if variant.name == FULL)
    groups = {"contrast"} if full.contrast else {"alpha", "strength"}
    swept = [one for one in variants if one.group in groups or one.name in {PLAIN, PAPER, FULL}]
    return sorted(swept, key=lambda one: (one.name != PLAIN, one.name != PAPER, one.contrast, one.alpha))


def _others(variants: Sequence[Variant]) -> list[Variant]:
    """All that were drawn, if a sheet holds them; else those that say most. Other methods have their own."""
    own = [variant for variant in variants if variant.group != "peer"]
    if len(own) <= MAX_COLUMNS:
        return own
    return [variant for variant in variants if variant.name in {PLAIN, FULL, *SHEET_COLUMNS}]


def _shown(study: Study) -> list[int]:
    """Places of the first target of each user who is shown."""
    firsts: dict[int, int] = {}
    for place, target in enumerate(study.targets):
        firsts.setdefault(target.owner, place)
    return list(firsts.values())[: study.design.sheet_users]


def _sheet(study: Study, columns: Sequence[Variant], pictures: Pictures) -> bytes:
    """A contact sheet: a row per shown target, a column per variant; a refused picture is blank."""
    blank = Image.new("RGB", (8, 8), "lightgray")
    digests = [plan_variant(study, variant).digests for variant in columns]
    rows = [
        [picture or blank for picture in read_pictures(pictures, [column[place] for column in digests])]
        for place in _shown(study)
    ]
    return draw_contact_sheet(rows, [variant.name for variant in columns])


def _methods_sheet(study: Study, variants: Sequence[Variant], pictures: Pictures) -> bytes:
    """One target of one user, by all methods; a refused picture is blank."""
    blank, place = Image.new("RGB", (8, 8), "lightgray"), _shown(study)[0]
    digests = [plan_variant(study, variant).digests[place] for variant in variants]
    shown = [picture or blank for picture in read_pictures(pictures, digests)]
    return draw_methods_sheet(shown, [variant.name for variant in variants])


def _sheet_rows(study: Study, variants: Sequence[Variant]) -> Iterator[Mapping[str, object]]:
    """What the rows of the sheets show: the user, the target, and the first references of the full method."""
    (full,) = (variant for variant in variants if variant.name == FULL)
    requests = plan_own(study, full).requests
    for place in _shown(study):
        target = study.targets[place]
        yield {
            "user_key": study.users[target.owner].user_key,
            "text": target.text,
            "references": requests[place].references[:REFERENCES_SHOWN],
            "num_more": max(0, len(requests[place].references) - REFERENCES_SHOWN),
        }
