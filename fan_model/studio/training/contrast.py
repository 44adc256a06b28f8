"""Two CLIP models: the reader, whose text tower the pipeline keeps, and the judge, trained apart from it.

Both learn to match posters with captions, and besides, to name the attributes of a poster from either side.
"""

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from fan_model.studio.posters.captions import Wording, write_caption
from fan_model.studio.posters.eras import ERAS
from fan_model.studio.posters.genres import GENRES
from fan_model.studio.posters.palettes import PALETTES
from fan_model.studio.posters.poster import COMPOSITIONS, PosterSpec
from fan_model.studio.posters.styles import POSTER_PIXELS, STYLES
from fan_model.studio.training.course import Course, Report, half_precision, train
from fan_model.studio.training.poster_set import PosterSet
from fan_model.studio.training.recipe import NUM_TOKENS
from fan_model.studio.training.tokens import tokenize

CLASSES = (len(GENRES), len(PALETTES), len(STYLES), len(ERAS) + 1, len(COMPOSITIONS) + 1)
"""Of first genre, palette, style, era (0: none) and composition (0: none)."""
FEATURES = 128
MAX_LOGIT_SCALE = 60.0
AUXILIARY_SHARE = 0.5


@dataclass(frozen=True)
class ContrastCourse:
    """What tells reader and judge apart."""

    name: str
    seed: int
    num_steps: int
    batch: int
    learning_rate: float
    wording: Wording
    text_layers: int = 5
    genre_share: float = 0.0
    """Weight of naming the genre beside its part in naming all attributes: shapes are learnt last."""


def train_clip(
    lesson: ContrastCourse,
    posters: PosterSet,
    tokenizer: CLIPTokenizer,
    device: torch.device,
    folder: Path,
    report: Report,
) -> CLIPModel:
    """Train a CLIP model on posters and captions that are worded anew in every batch."""
    torch.manual_seed(lesson.seed)
    pupil = _Pupil(CLIPModel(_config(tokenizer, lesson.text_layers)), lesson.genre_share).to(device)

    def loss(step: int) -> Tensor:
        chance = np.random.default_rng([lesson.seed, step])
        indices = chance.integers(posters.num_posters, size=lesson.batch)
        specs = [posters.spec(int(i)) for i in indices]
        random = Random(f"{lesson.seed}/{step}")
        tokens = tokenize(tokenizer, [write_caption(spec, random, lesson.wording) for spec in specs]).to(
            device
        )
        images = torch.from_numpy(posters.images(indices)).to(device)
        return pupil(images, tokens, *(labels.to(device) for labels in attribute_labels(specs)))

    course = Course(lesson.name, lesson.seed, lesson.num_steps, lesson.learning_rate, weight_decay=0.02)
    train(course, pupil, loss, folder, report)
    return pupil.clip


def to_pixel_values(images: Tensor) -> Tensor:
    """Turn uint8 [N, H, W, 3] into what the vision tower takes: [N, 3, H, W], -1..1."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


def without_padding(tokens: Tensor, end: int) -> Tensor:
    """Cut what is padding in every caption; causal attention never sees it."""
    ends = (tokens == end).int().argmax(-1)
    return tokens[:, : int(ends.max()) + 1]


class AttributeHead(nn.Module):
    """Names the attributes of a poster from features, in training only; gives the loss."""

    def __init__(self, width: int, genre_share: float = 0.0) -> None:
        super().__init__()
        self.genre_share = genre_share
        self.linear = nn.Linear(width, sum(CLASSES) + len(GENRES))

    def forward(self, features: Tensor, labels: Tensor, genres: Tensor) -> Tensor:
        """Return the loss of naming, by features [N, width], classes [N, 5] and genres [N, 18]."""
        *parts, multi = torch.split(self.linear(features), [*CLASSES, len(GENRES)], -1)
        losses = [F.cross_entropy(part, labels[:, i]) for i, part in enumerate(parts)]
        named = sum(losses) / len(losses) + F.binary_cross_entropy_with_logits(multi, genres)
        return named + self.genre_share / AUXILIARY_SHARE * losses[0]


class _Pupil(nn.Module):
    """A CLIP model with heads that name attributes, which are thrown away after training."""

    def __init__(self, clip: CLIPModel, genre_share: float) -> None:
        super().__init__()
        self.clip = clip
        self.image_head = AttributeHead(FEATURES, genre_share)
        self.text_head = AttributeHead(FEATURES, genre_share)

    def forward(self, images: Tensor, tokens: Tensor, labels: Tensor, genres: Tensor) -> Tensor:
        text_config: Any = self.clip.config.text_config
        with half_precision(images.device):
            image = self.clip.get_image_features(pixel_values=to_pixel_values(images))
            text = self.clip.get_text_features(input_ids=without_padding(tokens, text_config.eos_token_id))
        image, text = _unit(image), _unit(text)
        logits = image @ text.T * self.clip.logit_scale.exp().clamp(max=MAX_LOGIT_SCALE)
        pairs = torch.arange(len(images), device=images.device)
        contrast = (F.cross_entropy(logits, pairs) + F.cross_entropy(logits.T, pairs)) / 2
        named = sum(
            AUXILIARY_SHARE * head(11 * features, labels, genres)
            for head, features in ((self.image_head, image), (self.text_head, text))
        )
        return contrast + named


def _unit(features: object) -> Tensor:
    pooled = features if isinstance(features, Tensor) else features.pooler_output  # type: ignore[attr-defined]
    return F.normalize(pooled.float(), dim=-1)


def attribute_labels(specs: list[PosterSpec]) -> tuple[Tensor, Tensor]:
    """Return classes of [N, 5] attributes, and which of the 18 genres are there, [N, 18]."""
    styles = tuple(STYLES)
    rows = [
        (
            GENRES.index(spec.genres[0]),
            PALETTES.index(spec.palette),
            styles.index(spec.style),
            ERAS.index(spec.era) + 1 if spec.era else 0,
            COMPOSITIONS.index(spec.composition) + 1 if spec.composition else 0,
        )
        for spec in specs
    ]
    genres = [[float(genre in spec.genres) for genre in GENRES] for spec in specs]
    return torch.tensor(rows), torch.tensor(genres)


def _config(tokenizer: CLIPTokenizer, text_layers: int) -> CLIPConfig:
    tower = {"num_attention_heads": 4, "hidden_act": "quick_gelu", "projection_dim": FEATURES}
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 128,
        "intermediate_size": 512,
        "num_hidden_layers": text_layers,
        "max_position_embeddings": NUM_TOKENS,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {
        "hidden_size": 128,
        "intermediate_size": 512,
        "num_hidden_layers": 4,
        "image_size": POSTER_PIXELS,
        "patch_size": 16,
    }
    return CLIPConfig(text_config=tower | text, vision_config=tower | vision, projection_dim=FEATURES)
