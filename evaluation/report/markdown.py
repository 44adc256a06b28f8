"""The main table of an evaluation as Markdown, ready to paste into a page about the model."""

from collections.abc import Iterator

from evaluation.measures.identification import chance_reciprocal_rank
from evaluation.protocol.variants import PLAIN
from evaluation.statistics.findings import Findings, VariantFinding

HEADINGS = (
    "variant",
    "own minus other, added",
    "p",
    "personal",
    "CLIP score, target, change",
    "CLIP score, history, gain",
    "MRR",
    "MRR of the change",
)


def write_table(findings: Findings) -> str:
    """Write a row per variant under a line that says on what and by whom they were measured."""
    lines = [HEADINGS, ("---",) + ("---:",) * (len(HEADINGS) - 1), *_rows(findings)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"{_caption(findings)}\n\n{table}\n"


def _caption(findings: Findings) -> str:
    partial = "" if findings.judge_is_independent else ", **which has the image model's own text encoder**"
    return (
        f"{findings.num_users} users of `{findings.data_set}`, {findings.num_pictures} pictures per variant; "
        f"judge `{findings.judge}` ({findings.judge_fingerprint}){partial}."
    )


def _rows(findings: Findings) -> Iterator[tuple[str, ...]]:
    for finding in findings.variants.values():
        ranks = (_rank(finding, "reciprocal_rank"), _rank(finding, "change_reciprocal_rank"))
        middle = ("",) * 5 if finding.name == PLAIN else _cells(finding)
        yield finding.name, *middle, *ranks
    yield "a guess", "0", "", "", "", "", *(f"{chance_reciprocal_rank(findings.num_users):.3f}",) * 2


def _rank(finding: VariantFinding, measure: str) -> str:
    return f"{finding.comparison.means[measure].mean:.3f}"


def _cells(finding: VariantFinding) -> tuple[str, ...]:
    added = finding.comparison.minus_plain
    gain = finding.comparison.gains["clip_history"]
    return (
        str(added["own_minus_other"]),
        f"{finding.p_values['own_minus_other_added_p']:.2g}",
        "yes" if finding.is_personal else "no",
        str(added["clip_target"]),
        f"{gain.mean_of_ratios.mean:+.1f} % / {gain.ratio_of_means.mean:+.1f} %",
    )
