"""The variants of an evaluation: the ways to draw that are compared, each a change of one thing."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from fan_model.method.personalization import Personalization

Selection = Literal["none", "tailored", "random", "recent", "similarity", "bm25", "coreset", "all"]

OTHER_SELECTIONS: tuple[Selection, ...] = ("random", "recent", "similarity", "bm25", "coreset")
"""Beside `tailored` (the method's own) and `all` (the ablation without profiling)."""

PLAIN, FULL = "plain", "full"
ANOTHER, CONSTANT = "history of another user", "one picture for all"
"""Controls, which must not come out personal."""


class UnknownVariantError(ValueError):
    """The settings name a variant that there is not."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to draw every picture."""

    name: str
    group: Literal["baseline", "alpha", "ablation", "layers", "selection", "control"]
    alpha: float
    """Degree of personalization."""
    skip_layers: tuple[int, ...]
    """Layers without personalized attention."""
    selection: Selection = "tailored"
    """How references are selected from the history."""
    target_query: bool = Personalization.target_query
    """False: the personalized query starts from the empty text."""
    concatenates: bool = False
    """Write the references behind the prompt instead of fusing them."""
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
    alphas: Sequence[float] = (),
    skips: Sequence[tuple[int, ...]] = (),
    wanted: Collection[str] = (),
) -> list[Variant]:
    """Make variants, each way to draw once: `plain` and `full` first, the control (another's history) last.

    Args:
        alpha: degree of personalization of `full`.
        skip_layers: layers that `full` draws without personalized attention.
        alphas: other degrees.
        skips: other choices of layers.
        wanted: names of the variants to make beside these three; none: all.

    Raises:
        UnknownVariantError: if a wanted one does not exist.
    """
    full = Variant(name=FULL, group="baseline", alpha=alpha, skip_layers=skip_layers)
    distinct: dict[str, Variant] = {}
    for variant in _all_variants(full, alphas, skips):
        distinct.setdefault(variant.signature, variant)
    variants = {variant.name: variant for variant in distinct.values()}
    unknown = sorted(set(wanted) - set(variants))
    if unknown:
        raise UnknownVariantError(f"no variant is called {', '.join(unknown)}: use some of {_list(variants)}")
    always = {PLAIN, FULL, ANOTHER}
    return [variant for name, variant in variants.items() if not wanted or name in always | set(wanted)]


def _all_variants(
    full: Variant, alphas: Sequence[float], skips: Sequence[tuple[int, ...]]
) -> Iterator[Variant]:
    """Yield every variant; of two that draw the same, the first gives it its name."""
    yield replace(full, name=PLAIN, alpha=0.0, selection="none")
    yield full
    yield replace(full, name="concatenated prompt", alpha=0.0, concatenates=True)
    yield replace(full, name="without profiling", group="ablation", selection="all")
    yield replace(full, name="without target query", group="ablation", target_query=False)
    yield replace(full, name="without skip", group="ablation", skip_layers=())
    for alpha in alphas:
        yield replace(full, name=f"alpha {alpha:g}", group="alpha", alpha=alpha)
    for layers in skips:
        name = ", ".join(map(str, layers)) or "nothing"
        yield replace(full, name=f"skip {name}", group="layers", skip_layers=layers)
    for selection in OTHER_SELECTIONS:
        yield replace(full, name=selection, group="selection", selection=selection)
    yield replace(full, name=ANOTHER, group="control", of_another=True)


def _list(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
