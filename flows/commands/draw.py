"""One picture now: for a user, a household or a segment, with or without a house style."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from fan_model.method.taste import group_taste, style_taste, with_house_style
from feature_store.history.tastes import read_taste
from feature_store.lake.lake import Lake
from flows.model.champion import load_champion
from flows.settings import Settings
from flows.stages.generate import model_params
from flows.workspace import open_lake


class DrawError(RuntimeError):
    """The picture was not drawn."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A picture drawn on request."""

    image: bytes
    references: tuple[str, ...]
    artwork_digest: str


def draw(
    settings: Settings,
    prompt: str,
    users: Sequence[str],
    *,
    style: str | None = None,
    style_share: float = 0.3,
) -> Drawn:
    """Draw a prompt in the taste of some users, each counting alike, with a style mixed in.

    The registered model selects the references itself (tailored profiling). Without users the style alone
    speaks (style transfer); without either the picture is the plain one.

    Raises:
        UnknownUserError: if a user has no history.
        DrawError: if the picture was flagged.
    """
    taste = blend_taste(open_lake(settings, read_only=True), users, style=style, style_share=style_share)
    references, weights = list(taste), list(taste.values())
    row = {"prompt": prompt, "references": references, "weights": weights, "seed": settings.seed}
    params = model_params(settings, num_references=settings.profile.max_references)
    artwork = load_champion(settings).model.predict(pd.DataFrame([row]), params=params).iloc[0]
    if artwork["flagged"]:
        raise DrawError(
            "the picture was flagged: its prompt or a reference is blocked, or the safety checker refused it"
        )
    return Drawn(
        image=artwork["image"],
        references=tuple(artwork["references_used"]),
        artwork_digest=artwork["artwork_digest"],
    )


def blend_taste(
    lake: Lake, users: Sequence[str], *, style: str | None, style_share: float
) -> dict[str, float]:
    """Return references and weights of a group of users, with a style's share mixed in."""
    members = [{liked.text: liked.weight for liked in read_taste(lake, user)} for user in users]
    group = group_taste(members)
    return with_house_style(group, style_taste(style), share=style_share) if style else group
