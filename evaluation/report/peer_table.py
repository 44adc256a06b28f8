"""The comparison with other methods as Markdown, with what each costs, and what follows from it in words."""

from collections.abc import Iterator, Mapping

from evaluation.protocol.variants import CONCATENATED, FULL, PAPER, PLAIN
from evaluation.statistics.findings import Findings, VariantFinding

COMPARED = (PLAIN, FULL, PAPER, CONCATENATED)
"""What peers are compared with, in this order."""
ENOUGH_USERS = 200
"""Of fewer, two samples of the same methods differ by more than methods do."""
HEADINGS = (
    "method",
    "own minus other, added",
    "CLIP score, target, change",
    "CLIP score, history, gain",
    "MRR",
    "diversity, within / between users",
    "seconds per target",
    "extra weights",
    "training, minutes",
    "language model, calls",
)


def compared_methods(findings: Findings) -> list[VariantFinding]:
    """The methods that are compared, ours and the baselines first; none where no peers were drawn."""
    peers = [one for one in findings.variants.values() if one.group == "peer"]
    first = [findings.variants[name] for name in COMPARED if name in findings.variants]
    return [*first, *peers] if peers else []


def write_comparison(findings: Findings, left_out: Mapping[str, str]) -> str:
    """Write a row per method, who was left out and why, and the verdict; empty without peers."""
    methods = compared_methods(findings)
    if not methods:
        return ""
    lines = [HEADINGS, ("---",) + ("---:",) * (len(HEADINGS) - 1), *map(_row, methods)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    caption = (
        f"Other methods: {findings.num_users} users of `{findings.data_set}`, {findings.num_pictures} "
        "pictures each, of the same targets and seeds by the same image model."
    )
    return "\n\n".join([caption, table, *_left_out(left_out), judge_methods(findings)]) + "\n"


def judge_methods(findings: Findings) -> str:
    """Who is shown to be more, or less, personal than the whole method, on the same users."""
    peers = [one for one in compared_methods(findings) if one.group == "peer"]
    differences = {one.name: one.comparison.minus_full["own_minus_other"] for one in peers}
    better = [name for name, difference in differences.items() if difference.low > 0]
    worse = [name for name, difference in differences.items() if difference.high < 0]
    open_ones = [name for name in differences if name not in better + worse]
    parts = ("more", better), ("less", worse)
    said = [f"{', '.join(names)}: shown to be {word} personal than full" for word, names in parts if names]
    if open_ones:
        said.append(f"{', '.join(open_ones)}: no difference from full is shown")
    doubt = "" if findings.num_users >= ENOUGH_USERS else f" Fewer than {ENOUGH_USERS} users decide little."
    return f"Own minus other on these {findings.num_users} users: {'; '.join(said)}.{doubt}"


def _left_out(left_out: Mapping[str, str]) -> Iterator[str]:
    if left_out:
        yield "Left out: " + "; ".join(f"{name}, for {reason}" for name, reason in left_out.items()) + "."


def _row(method: VariantFinding) -> tuple[str, ...]:
    means, added = method.comparison.means, method.comparison.minus_plain
    is_plain = method.name == PLAIN
    gain = method.comparison.gains["clip_history"].ratio_of_means.mean
    return (
        method.name,
        "" if is_plain else str(added["own_minus_other"]),
        "" if is_plain else str(added["clip_target"]),
        "" if is_plain else f"{gain:+.1f} %",
        means["reciprocal_rank"].rounded(".3f"),
        f"{means['diversity_within'].rounded('.3f')} / {means['diversity_between'].rounded('.3f')}",
        *_costs(method.costs),
    )


def _costs(costs: Mapping[str, float]) -> tuple[str, ...]:
    return (
        f"{costs['seconds_per_target']:.2f}",
        f"{costs['extra_parameters']:,.0f}",
        f"{costs['training_minutes']:.1f}",
        f"{costs['language_model_calls']:.0f}",
    )
