"""The main table of an evaluation as Markdown, ready to paste into a page about the model."""

import math
from collections.abc import Iterator

from evaluation.measures.identification import chance_reciprocal_rank
from evaluation.protocol.variants import FULL, PLAIN
from evaluation.statistics.findings import Findings, VariantFinding
from evaluation.statistics.power import POWER

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
        f"judge `{findings.judge}` ({findings.judge_fingerprint}){partial}. {write_power(findings)}"
    )


def write_power(findings: Findings) -> str:
    """Say how small an effect these users can tell, and how many users tell the one that was found."""
    power = findings.variants[FULL].comparison.power["own_minus_other"]
    if math.isnan(power.smallest_effect):
        return "So few users tell nothing."
    needed = f"{power.users_needed:,} users tell" if power.users_needed else "no number of users tells"
    return (
        f"These users tell an own minus other of {power.smallest_effect:.2f} from plain pictures' "
        f"{POWER:.0%} of the time; {needed} that of `{FULL}`."
    )


def _rows(findings: Findings) -> Iterator[tuple[str, ...]]:
    for finding in findings.variants.values():
        ranks = (_rank(finding, "reciprocal_rank"), _rank(finding, "change_reciprocal_rank"))
        middle = ("",) * 5 if finding.name == PLAIN else _cells(finding)
        yield finding.name, *middle, *ranks
    yield "a guess", "0", "", "", "", "", *(f"{chance_reciprocal_rank(findings.num_users):.3f}",) * 2


def _rank(finding: VariantFinding, measure: str) -> str:
    return finding.comparison.means[measure].rounded(".3f")


def _cells(finding: VariantFinding) -> tuple[str, ...]:
    added = finding.comparison.minus_plain
    gain = finding.comparison.gains["clip_history"]
    return (
        str(added["own_minus_other"]),
        f"{finding.p_values['own_minus_other_added_p']:.2g}",
        "yes" if finding.is_personal else "no",
        str(added["clip_target"]),
        f"{gain.mean_of_ratios.rounded('+.1f')} % / {gain.ratio_of_means.rounded('+.1f')} %",
    )
