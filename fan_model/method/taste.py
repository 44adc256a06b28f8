"""Tastes beyond one user's: groups, and a house style. A taste is what a picture's references come from.

Pure functions on texts and weights; whatever they give is profiled and drawn like any user's history.
"""

import math
from collections.abc import Mapping, Sequence

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
        ValueError: Sizes do not match, or a share or a weight is not a finite number above 0.
    """
    shares = [1.0] * len(members) if shares is None else shares
    if len(shares) != len(members):
        raise ValueError(f"{len(shares)} shares for {len(members)} members; give one per member")
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
        ValueError: The share is out of its range, or a weight is not a finite number above 0.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}; it must be between 0 and 1")
    if share in (0, 1):
        return group_taste([house_style if share else taste])
    return group_taste([taste, house_style], [1 - share, share])


def blend_tastes(members: Sequence[Taste], *, style: str | None, style_share: float) -> dict[str, float]:
    """The taste of a group whose members count alike, with a style's share mixed in.

    Raises:
        ValueError: The share is out of its range, or a weight is not a finite number above 0.
    """
    group = group_taste(members)
    return with_house_style(group, style_taste(style), share=style_share) if style else group


def style_taste(style: str) -> dict[str, float]:
    """The taste of a single prompt: style transfer draws a target with one text as its reference."""
    return {style: 1.0}


def _require_positive(name: str, numbers: Sequence[float]) -> None:
    refused = sum(not (math.isfinite(number) and number > 0) for number in numbers)
    if refused:
        raise ValueError(f"{refused} of {len(numbers)} {name} are not finite numbers above 0")
