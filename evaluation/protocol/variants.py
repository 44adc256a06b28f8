"""The variants of an evaluation: the ways to draw that are compared, each a change of one thing."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import Literal

from fan_model.method.personalization import Personalization
from fan_model.method.selection_policy import SelectionPolicy

Selection = Literal["none", "tailored", "random", "recent", "similarity", "bm25", "coreset", "all"]

OTHER_SELECTIONS: tuple[Selection, ...] = ("random", "recent", "similarity", "bm25", "coreset")
"""Beside `tailored` (the method's own) and `all` (the ablation without profiling)."""

PLAIN, FULL, PAPER = "plain", "full", "the paper's method"
CONCATENATED = "concatenated prompt"
ANOTHER, CONSTANT = "history of another user", "one picture for all"
"""Controls, which must not come out personal."""


class UnknownVariantError(ValueError):
    """The settings name a variant that there is not."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to draw every picture."""

    name: str
    group: Literal[
        "baseline", "alpha", "contrast", "strength", "ablation", "layers", "selection", "peer", "control"
    ]
    alpha: float
    """Degree of personalization, where nothing is contrasted."""
    contrast: float = Personalization.contrast
    """How far to go along what sets the user apart from the crowd; 0: the paper's way."""
    skip_layers: tuple[int, ...]
    """Layers without personalized attention."""
    keep_words: bool = Personalization.keep_words
    """Whether the target's own words stay as they are; the paper's do not."""
    selection: Selection = "tailored"
    """How references are selected from the history."""
    policy: SelectionPolicy = SelectionPolicy()
    """How many are, and how tailored profiling does it; what is not named is the paper's."""
    target_query: bool = Personalization.target_query
    """False: the personalized query starts from the empty text."""
    concatenates: bool = False
    """Write the references behind the prompt instead of fusing them."""
    peer: str = ""
    """Name of the other method that draws, see `evaluation.peers`; empty: this project's."""
    of_another: bool = False
    """Take another user's history: what is left of an effect is no personalization."""

    @property
    def signature(self) -> str:
        """What is drawn, whatever it is called."""
        return json.dumps([value for name, value in asdict(self).items() if name not in ("name", "group")])


def make_variants(
    *,
    alpha: float,
    skip_layers: tuple[int, ...],
    contrast: float = 0.0,
    keep_words: bool = Personalization.keep_words,
    policy: SelectionPolicy | None = None,
    alphas: Sequence[float] = (),
    contrasts: Sequence[float] = (),
    skips: Sequence[tuple[int, ...]] = (),
    peers: Sequence[str] = (),
    wanted: Collection[str] = (),
) -> list[Variant]:
    """Make variants, each way to draw once: `plain` and `full` first, the control (another's history) last.

    Args:
        alpha: degree of personalization of `full`.
        skip_layers: layers that `full` draws without personalized attention.
        contrast: how far `full` goes along what sets a user apart; 0 for the paper's way.
        keep_words: whether `full` leaves the target's own words as they are.
        policy: how `full` selects references; the paper's way if not given.
        alphas: other degrees of the paper's method, and of `full` where it differs by its references alone.
        contrasts: ways to go along what sets a user apart, if `full` does so, or selects by it.
        skips: other choices of layers.
        peers: names of other methods. They are compared with the baselines: what else is made then is only
            what is wanted.
        wanted: names of the variants to make beside the first two, the control and the peers; none: all.

    Raises:
        UnknownVariantError: if a wanted one does not exist.
    """
    full = Variant(
        name=FULL,
        group="baseline",
        alpha=alpha,
        contrast=contrast,
        skip_layers=skip_layers,
        keep_words=keep_words,
        policy=policy or SelectionPolicy(),
    )
    distinct: dict[str, Variant] = {}
    others = [replace(full, name=name, group="peer", peer=name) for name in peers]
    for variant in chain(_all_variants(full, alphas, contrasts, skips), others, [_control(full)]):
        distinct.setdefault(variant.signature, variant)
    variants = {variant.name: variant for variant in distinct.values()}
    unknown = sorted(set(wanted) - set(variants))
    if unknown:
        raise UnknownVariantError(f"no variant is called {', '.join(unknown)}: use some of {_list(variants)}")
    always = {PLAIN, FULL, ANOTHER, *peers} | ({PAPER, CONCATENATED} if peers else set())
    is_all = not wanted and not peers
    return [variant for name, variant in variants.items() if is_all or name in always | set(wanted)]


def _all_variants(
    full: Variant,
    alphas: Sequence[float],
    contrasts: Sequence[float],
    skips: Sequence[tuple[int, ...]],
) -> Iterator[Variant]:
    """Yield every variant but the control; of two that draw the same, the first gives it its name."""
    paper = replace(full, name=PAPER, contrast=0.0, keep_words=False, policy=SelectionPolicy())
    yield replace(full, name=PLAIN, alpha=0.0, contrast=0.0, selection="none")
    yield full
    yield paper
    yield replace(full, name=CONCATENATED, alpha=0.0, contrast=0.0, concatenates=True)
    yield replace(full, name="without profiling", group="ablation", selection="all")
    yield replace(full, name="without target query", group="ablation", target_query=False)
    yield replace(full, name="without skip", group="ablation", skip_layers=())
    if full.keep_words:
        yield replace(full, name="without kept words", group="ablation", keep_words=False)
    if full.contrast or full.policy.distinctive:
        yield from _remedies(full, paper, contrasts)
    for alpha in alphas:
        yield replace(paper, name=f"alpha {alpha:g}", group="alpha", alpha=alpha)
    if not full.contrast and (full.keep_words or full.policy != paper.policy):
        for alpha in alphas:
            yield replace(full, name=f"full at alpha {alpha:g}", group="strength", alpha=alpha)
    for layers in skips:
        name = ", ".join(map(str, layers)) or "nothing"
        yield replace(full, name=f"skip {name}", group="layers", skip_layers=layers)
    for selection in OTHER_SELECTIONS:
        yield replace(full, name=selection, group="selection", selection=selection)


def _remedies(full: Variant, paper: Variant, contrasts: Sequence[float]) -> Iterator[Variant]:
    """Yield what `full` does beyond the paper, each alone and taken away, and how far it goes."""
    less = replace(full.policy, distinctive=False)
    yield replace(full, name="without contrast", group="ablation", contrast=0.0)
    yield replace(full, name="without distinctiveness", group="ablation", policy=less)
    yield replace(full, name="with the paper's references", group="ablation", policy=paper.policy)
    yield replace(paper, name="with as many references", group="ablation", policy=less)
    for contrast in contrasts:
        yield replace(full, name=f"contrast {contrast:g}", group="contrast", contrast=contrast)


def _control(full: Variant) -> Variant:
    return replace(full, name=ANOTHER, group="control", of_another=True)


def _list(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
