"""The reader's second course, on text alone: to name what a caption tells, however it is worded.

Text costs a fraction of pictures, so the reader sees many wordings; what it learnt of pictures is its start.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from fan_model.studio.posters.captions import LOOSE
from fan_model.studio.training.contrast import without_padding
from fan_model.studio.training.course import Batch, Course, Deal, Report, half_precision, train
from fan_model.studio.training.poster_attributes import AttributeHead
from fan_model.studio.training.poster_set import PosterSet
from fan_model.studio.training.recipe import Recipe
from fan_model.studio.training.worded_posters import word_posters


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
    pupil = _Reader(text_encoder.requires_grad_(True)).to(device)

    posters = PosterSet(folder, seed, recipe.wording_posters)

    def dealer() -> Deal:
        worded = word_posters(posters, tokenizer, LOOSE, "wording").to(device)

        def deal(_: int) -> Batch:
            indices = torch.randint(posters.num_posters, (recipe.wording_batch,), device=device)
            tokens = without_padding(worded.captions(indices), tokenizer.eos_token_id)
            return tokens, worded.labels[indices], worded.genres[indices]

        return deal

    course = Course("wording", seed, recipe.wording_steps, recipe.wording_learning_rate)
    train(course, pupil, dealer, pupil, folder, report)


class _Reader(nn.Module):
    """A text encoder and a head that is thrown away."""

    def __init__(self, text_encoder: CLIPTextModel) -> None:
        super().__init__()
        self.text_encoder = text_encoder
        self.head = AttributeHead(text_encoder.config.hidden_size, genre_share=0.5)

    def forward(self, tokens: Tensor, labels: Tensor, genres: Tensor) -> Tensor:
        with half_precision(tokens.device):
            ends = self.text_encoder(input_ids=tokens).pooler_output
        return self.head(ends.float(), labels, genres)
