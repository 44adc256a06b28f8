"""Tastes beyond one user's: groups, and a house style. A taste is what a picture's references come from.

Pure functions on texts and weights; whatever they give is profiled and drawn like any user's history.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from numbers import Real
from typing import cast

from fan_model.request_errors import RequestError

Taste = Mapping[str, float]
"""Reference texts and their preference strengths, above 0."""


def group_taste(members: Sequence[Taste], shares: Sequence[float] | None = None) -> dict[str, float]:
    """The taste of a household or a segment: every member counts by its share, however long its history.

    Args:
        members: One taste per member; a member without references has no say.
        shares: One number above 0 per member; only proportions matter. Equal shares if not given.

    Returns:
        References with weights that sum to 1, or nothing if no member has references. A reference that
        several members like has the sum of its weights.

    Raises:
        RequestError: There is something else than tastes, sizes do not match, or a share or a weight is not a
            finite number above 0.
    """
    _require_tastes(members)
    shares = [1.0] * len(members) if shares is None else shares
    if not isinstance(shares, Collection) or len(shares) != len(members):
        raise RequestError(
            f"shares must be as many as the members: there are {len(members)}, give one for each"
        )
    _require_positive("shares", shares)
    speaking = [(member, share) for member, share in zip(members, shares, strict=True) if member]
    whole = math.fsum(share for _, share in speaking)
    blended: dict[str, float] = {}
    for member, share in speaking:
        _require_positive("weights", list(member.values()))
        strength = math.fsum(member.values())
        for reference, weight in member.items():
            blended[reference] = blended.get(reference, 0.0) + share / whole * weight / strength
    return blended


def with_house_style(taste: Taste, house_style: Taste, *, share: float) -> dict[str, float]:
    """A user's taste with a brand's references mixed in at a fixed share of the weight.

    Args:
        taste: The user's; an empty one leaves the house style alone.
        house_style: The brand's.
        share: Part of the weight that is the brand's, from 0 (none) to 1 (all).

    Raises:
        RequestError: The share is out of its range, there is something else than tastes, or a weight is not a
            finite number above 0.
    """
    if not isinstance(share, Real) or not 0 <= share <= 1:
        raise RequestError("share must be a number between 0 and 1")
    if share in (0, 1):
        return group_taste([house_style if share else taste])
    return group_taste([taste, house_style], [1 - share, share])


def blend_tastes(members: Sequence[Taste], *, style: str | None, style_share: float) -> dict[str, float]:
    """The taste of a group whose members count alike, with a style's share mixed in.

    Raises:
        RequestError: The share is out of its range, there is something else than tastes, or a weight is not a
            finite number above 0.
    """
    group = group_taste(members)
    return with_house_style(group, style_taste(style), share=style_share) if style else group


def style_taste(style: str) -> dict[str, float]:
    """The taste of a single prompt: style transfer draws a target with one text as its reference."""
    return {style: 1.0}


def _require_tastes(members: object) -> None:
    is_several = isinstance(members, Sequence) and not isinstance(members, str)
    if not is_several or not all(_is_taste(member) for member in cast("Sequence[object]", members)):
        raise RequestError(
            'members must be a list of tastes, each with texts and their weights: [{"film noir": 2.0}, ...]'
        )


def _is_taste(taste: object) -> bool:
    return isinstance(taste, Mapping) and all(isinstance(reference, str) for reference in taste)


def _require_positive(name: str, numbers: Collection[float]) -> None:
    refused = sum(not (isinstance(one, Real) and math.isfinite(one) and one > 0) for one in numbers)
    if refused:
        raise RequestError(f"{refused} of {len(numbers)} {name} are not finite numbers above 0")
    if not math.isfinite(sum(numbers)):
        raise RequestError(f"{name} must add up to a finite number: divide all of them, proportions count")
