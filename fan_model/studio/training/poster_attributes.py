"""The attributes of a poster as numbers, and a head that learns to name them."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fan_model.studio.posters.eras import ERAS
from fan_model.studio.posters.genres import GENRES
from fan_model.studio.posters.habits import STYLE_HABITS, palette_shares
from fan_model.studio.posters.palettes import PALETTES
from fan_model.studio.posters.poster import COMPOSITIONS, PosterSpec
from fan_model.studio.posters.styles import STYLES

CLASSES = [len(GENRES), len(PALETTES), len(STYLES), len(ERAS) + 1, len(COMPOSITIONS) + 1]
"""Of first genre, palette, style, era (0: none) and composition (0: none).

Which genre is the second is not asked: a reader that tells it no longer puts a comedy with a little horror
between a comedy and a horror comedy.
"""
NAMED = [len(GENRES), len(PALETTES), len(STYLES)]
"""How many texts name a genre, a palette and a style."""
AUXILIARY_SHARE = 0.5


class AttributeHead(nn.Module):
    """Names the attributes of a poster from features, in training only; gives the loss."""

    def __init__(self, width: int, genre_share: float = 0.0) -> None:
        super().__init__()
        self.genre_share = genre_share
        self.linear = nn.Linear(width, sum(CLASSES) + len(GENRES))

    def forward(self, features: Tensor, labels: Tensor, genres: Tensor) -> Tensor:
        """Return the loss of naming, by features [N, width], labels [N, 50] and genres [N, 18]."""
        *parts, multi = torch.split(self.linear(features), [*CLASSES, len(GENRES)], -1)
        wanted = torch.split(labels, CLASSES, -1)
        losses = [F.cross_entropy(part, shares) for part, shares in zip(parts, wanted, strict=True)]
        each = F.binary_cross_entropy_with_logits(multi, genres)
        named = sum(losses) / len(losses) + each
        return named + self.genre_share / AUXILIARY_SHARE * (losses[0] + len(GENRES) / 4 * each)


def attribute_labels(specs: list[PosterSpec]) -> tuple[Tensor, Tensor]:
    """Return shares of the classes of five attributes, [N, 50], and which of 18 genres are there, [N, 18].

    An attribute that is told has one class; a palette that is not has the shares of the genres' habits, and a
    style that is not is the decade's.
    """
    genres = [[float(genre in spec.genres) for genre in GENRES] for spec in specs]
    return torch.tensor([_shares(spec) for spec in specs]), torch.tensor(genres)


def _shares(spec: PosterSpec) -> list[float]:
    return [
        *_one_hot(GENRES, spec.genres[0]),
        *(_one_hot(PALETTES, spec.palette) if spec.palette else palette_shares(spec.genres)),
        *_one_hot(tuple(STYLES), spec.style or STYLE_HABITS[spec.era]),
        *_one_hot((None, *ERAS), spec.era),
        *_one_hot((None, *COMPOSITIONS), spec.composition),
    ]


def _one_hot(names: Sequence[str | None], name: str | None) -> list[float]:
    return [float(one == name) for one in names]
