"""The variants of an evaluation: the ways to draw that are compared, each a change of one thing."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Literal

from flows.settings import Settings

Selection = Literal["none", "tailored", "random", "recent", "similarity", "bm25", "coreset", "all"]

PLAIN, FULL, CONSTANT = "plain", "full", "one picture for all"


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
    target_query: bool = True
    """False: the personalized query starts from the empty text."""
    concatenates: bool = False
    """Write the references behind the prompt instead of fusing them."""
    of_another: bool = False
    """Take another user's history: what is left of an effect is no personalization."""

    @property
    def signature(self) -> str:
        """What is drawn, whatever it is called."""
        return json.dumps([value for name, value in asdict(self).items() if name not in ("name", "group")])


def make_variants(settings: Settings) -> list[Variant]:
    """Make the settings' variants: `plain` and `full` first, each way to draw once.

    Raises:
        UnknownVariantError: if the settings name others than there are.
    """
    distinct: dict[str, Variant] = {}
    for variant in _all_variants(settings):
        distinct.setdefault(variant.signature, variant)
    variants = {variant.name: variant for variant in distinct.values()}
    wanted = settings.evaluation.variants
    unknown = sorted(set(wanted) - set(variants))
    if unknown:
        raise UnknownVariantError(
            f"evaluation.variants names {', '.join(unknown)}: use some of {', '.join(variants)}"
        )
    return [variant for name, variant in variants.items() if not wanted or name in {PLAIN, FULL, *wanted}]


def _all_variants(settings: Settings) -> Iterator[Variant]:
    """Yield every variant; of two that draw the same, the first gives it its name."""
    full = Variant(
        name=FULL, group="baseline", alpha=settings.drawing.alpha, skip_layers=settings.drawing.skip_layers
    )
    yield replace(full, name=PLAIN, alpha=0.0, selection="none")
    yield full
    yield replace(full, name="concatenated prompt", alpha=0.0, concatenates=True)
    yield replace(full, name="without profiling", group="ablation", selection="all")
    yield replace(full, name="without target query", group="ablation", target_query=False)
    yield replace(full, name="without skip", group="ablation", skip_layers=())
    for alpha in settings.evaluation.alphas:
        yield replace(full, name=f"alpha {alpha:g}", group="alpha", alpha=alpha)
    for layers in settings.evaluation.skips:
        name = ", ".join(map(str, layers)) or "nothing"
        yield replace(full, name=f"skip {name}", group="layers", skip_layers=layers)
    selections: tuple[Selection, ...] = ("random", "recent", "similarity", "bm25", "coreset")
    for selection in selections:
        yield replace(full, name=selection, group="selection", selection=selection)
    yield replace(full, name="history of another user", group="control", of_another=True)
