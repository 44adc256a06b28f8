"""The reader's second course, on text alone: to name what a caption tells, however it is worded.

Text costs a fraction of pictures, so the reader sees many wordings; what it learnt of pictures is its start.
"""

from pathlib import Path
from random import Random

import torch
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from fan_model.studio.posters.captions import LOOSE, write_caption
from fan_model.studio.posters.poster import sample_spec
from fan_model.studio.training.contrast import AttributeHead, attribute_labels, without_padding
from fan_model.studio.training.course import Course, Report, half_precision, train
from fan_model.studio.training.recipe import Recipe
from fan_model.studio.training.tokens import tokenize


def teach_wording(
    recipe: Recipe,
    seed: int,
    tokenizer: CLIPTokenizer,
    text_encoder: CLIPTextModel,
    device: torch.device,
    folder: Path,
    report: Report,
) -> None:
    """Teach a text encoder to name attributes from the end token of captions worded by lot."""
    torch.manual_seed(seed)
    pupil = _Pupil(text_encoder.requires_grad_(True)).to(device)

    def loss(step: int) -> Tensor:
        random = Random(f"{seed}/wording/{step}")
        specs = [sample_spec(random) for _ in range(recipe.wording_batch)]
        captions = [write_caption(spec, random, LOOSE) for spec in specs]
        tokens = without_padding(tokenize(tokenizer, captions), tokenizer.eos_token_id).to(device)
        return pupil(tokens, *(labels.to(device) for labels in attribute_labels(specs)))

    course = Course("wording", seed, recipe.wording_steps, recipe.wording_learning_rate)
    train(course, pupil, loss, folder, report)


class _Pupil(nn.Module):
    """A text encoder and a head that is thrown away."""

    def __init__(self, text_encoder: CLIPTextModel) -> None:
        super().__init__()
        self.text_encoder = text_encoder
        self.head = AttributeHead(text_encoder.config.hidden_size, genre_share=0.5)

    def forward(self, tokens: Tensor, labels: Tensor, genres: Tensor) -> Tensor:
        with half_precision(tokens.device):
            ends = self.text_encoder(input_ids=tokens).pooler_output
        return self.head(ends.float(), labels, genres)
