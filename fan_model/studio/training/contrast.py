"""Two CLIP models: the reader, whose text tower the pipeline keeps, and the judge, trained apart from it.

Both learn to match posters with captions, to name the attributes of a poster from either side, and to find
all its genres, its palette and its style among texts that name one value each.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from fan_model.studio.posters.captions import Wording
from fan_model.studio.posters.styles import POSTER_PIXELS
from fan_model.studio.training.course import Batch, Course, Deal, Report, half_precision, train
from fan_model.studio.training.poster_attributes import AUXILIARY_SHARE, CLASSES, NAMED, AttributeHead
from fan_model.studio.training.poster_set import PosterSet
from fan_model.studio.training.recipe import NUM_TOKENS, PATCH_PIXELS
from fan_model.studio.training.worded_posters import NUM_NAMINGS, word_names, word_posters

FEATURES = 128
MAX_LOGIT_SCALE = 60.0


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
    """Weight of naming the genres beside their part in naming all attributes: shapes are learnt last."""
    many_genres: float = 0.0
    """Share of a batch that is dealt from posters of three genres and more: those are seldom, and hard."""
    shift_pixels: int = 0
    """How far posters are moved at most, by lot, to each side; if they are, half of them are mirrored too."""


def train_clip(
    lesson: ContrastCourse,
    posters: PosterSet,
    tokenizer: CLIPTokenizer,
    device: torch.device,
    folder: Path,
    report: Report,
    start: CLIPModel | None = None,
) -> CLIPModel:
    """Train a CLIP model, from `start` or from nothing, on posters and captions worded anew each time."""
    torch.manual_seed(lesson.seed)
    clip = start or CLIPModel(_config(tokenizer, lesson.text_layers))
    pupil = _Pupil(clip, lesson.genre_share).to(device)
    course = Course(lesson.name, lesson.seed, lesson.num_steps, lesson.learning_rate, weight_decay=0.02)
    train(course, pupil, lambda: _dealer(lesson, posters, tokenizer, device), pupil, folder, report)
    return pupil.clip


def _dealer(
    lesson: ContrastCourse, posters: PosterSet, tokenizer: CLIPTokenizer, device: torch.device
) -> Deal:
    """Return what deals posters, their captions, texts that name one value each, labels and genres."""
    worded = word_posters(posters, tokenizer, lesson.wording, lesson.name).to(device)
    named = word_names(tokenizer, lesson.seed).to(device)
    crowded = (worded.genres.sum(-1) >= 3).nonzero()[:, 0]

    def deal(_: int) -> Batch:
        indices = torch.randint(posters.num_posters, (lesson.batch,), device=device)
        of_many = round(lesson.many_genres * lesson.batch)
        indices[:of_many] = crowded[torch.randint(len(crowded), (of_many,), device=device)]
        images = posters.pictures(indices)
        if lesson.shift_pixels:
            images = soften(jitter(images, lesson.shift_pixels))
        captions, names = worded.captions(indices), named[int(torch.randint(NUM_NAMINGS, ()))].long()
        return images, captions, names, worded.labels[indices], worded.genres[indices]

    return deal


def to_pixel_values(images: Tensor) -> Tensor:
    """Turn uint8 [N, H, W, 3] into what the vision tower takes: [N, 3, H, W], -1..1."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


def jitter(images: Tensor, shift_pixels: int) -> Tensor:
    """Mirror half of uint8 [N, H, W, 3] and move each up to so many pixels; what comes in repeats the rim.

    A judge that never sees a poster twice alike learns its shapes, not the poster.
    """
    count, height, width, _ = images.shape
    where = images.device
    shifts = torch.randint(-shift_pixels, shift_pixels + 1, (2, count, 1), device=where)
    columns = (torch.arange(width, device=where) + shifts[0]).clamp(0, width - 1)
    is_mirrored = torch.rand(count, 1, device=where) < 0.5
    columns = torch.where(is_mirrored, columns.flip(1), columns)
    rows = (torch.arange(height, device=where) + shifts[1]).clamp(0, height - 1)
    return images[torch.arange(count, device=where)[:, None, None], rows[:, :, None], columns[:, None, :]]


def soften(images: Tensor) -> Tensor:
    """Blur half of uint8 [N, H, W, 3], each by a strength of its own: what is drawn is never as sharp."""
    sharp = images.permute(0, 3, 1, 2).float()
    blurred = F.avg_pool2d(sharp, 3, stride=1, padding=1, count_include_pad=False)
    strength = 2 * torch.rand(len(images), 1, 1, 1, device=images.device) - 1
    return sharp.lerp(blurred, strength.clamp(min=0)).round().byte().permute(0, 2, 3, 1)


def without_padding(tokens: Tensor, end: int) -> Tensor:
    """Cut what is padding in every caption; causal attention never sees it. A GPU needs shapes that stay."""
    if tokens.device.type != "cpu":
        return tokens
    ends = (tokens == end).int().argmax(-1)
    return tokens[:, : int(ends.max()) + 1]


class _Pupil(nn.Module):
    """A CLIP model with heads that name attributes, which are thrown away after training."""

    def __init__(self, clip: CLIPModel, genre_share: float) -> None:
        super().__init__()
        self.clip = clip
        self.genre_share = genre_share
        self.image_head = AttributeHead(FEATURES, genre_share)
        self.text_head = AttributeHead(FEATURES, genre_share)

    def forward(
        self, images: Tensor, tokens: Tensor, names: Tensor, labels: Tensor, genres: Tensor
    ) -> Tensor:
        with half_precision(images.device):
            image = _unit(self.clip.get_image_features(pixel_values=to_pixel_values(images)))
        text, name = self._read(tokens), self._read(names)
        scale = self.clip.logit_scale.exp().clamp(max=MAX_LOGIT_SCALE)
        logits = scale * image @ text.T
        pairs = torch.arange(len(images), device=images.device)
        contrast = (F.cross_entropy(logits, pairs) + F.cross_entropy(logits.T, pairs)) / 2
        contrast = contrast + _naming_loss(scale * image @ name.T, labels, genres, self.genre_share)
        named = sum(
            AUXILIARY_SHARE * head(11 * features, labels, genres)
            for head, features in ((self.image_head, image), (self.text_head, text))
        )
        return contrast + named

    def _read(self, tokens: Tensor) -> Tensor:
        text_config: Any = self.clip.config.text_config
        with half_precision(tokens.device):
            short = without_padding(tokens, text_config.eos_token_id)
            return _unit(self.clip.get_text_features(input_ids=short))


def _naming_loss(logits: Tensor, labels: Tensor, genres: Tensor, genre_share: float) -> Tensor:
    """Return how far posters, [N, 34], are from the texts that name their genres, palette and style."""
    found = torch.split(logits, NAMED, -1)
    wanted = genres / genres.sum(-1, keepdim=True), *torch.split(labels, CLASSES, -1)[1:3]
    losses = [F.cross_entropy(part, shares) for part, shares in zip(found, wanted, strict=True)]
    return torch.stack(losses).mean() + genre_share * losses[0]


def _unit(features: object) -> Tensor:
    pooled = features if isinstance(features, Tensor) else features.pooler_output  # type: ignore[attr-defined]
    return F.normalize(pooled.float(), dim=-1)


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
        "hidden_size": 192,
        "intermediate_size": 768,
        "num_hidden_layers": 5,
        "image_size": POSTER_PIXELS,
        "patch_size": PATCH_PIXELS,
    }
    return CLIPConfig(text_config=tower | text, vision_config=tower | vision, projection_dim=FEATURES)
