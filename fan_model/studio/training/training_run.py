"""The whole training, part after part; what is done lies in the folder and is not done again."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer

from fan_model.studio.posters.captions import EVERYDAY, VARIED
from fan_model.studio.training.assemble import save_judge, save_pipeline, text_encoder_of
from fan_model.studio.training.codec import (
    CELLS_FILE,
    LinearCells,
    encode_posters,
    fit_cells,
    keep_cells,
    train_codec,
)
from fan_model.studio.training.contrast import ContrastCourse, train_clip
from fan_model.studio.training.course import Report
from fan_model.studio.training.finer_patches import with_finer_patches
from fan_model.studio.training.painter import Lessons, make_painter
from fan_model.studio.training.poster_set import PosterSet
from fan_model.studio.training.recipe import PATCH_PIXELS, Recipe
from fan_model.studio.training.starting_weights import StartingWeights
from fan_model.studio.training.tokens import make_tokenizer, read_tokenizer
from fan_model.studio.training.wording import teach_wording

JUDGE_SHIFT_PIXELS = 6
JUDGE_SEED_SHIFT = 1000
"""The judge starts from another seed, reads other captions, and takes far more steps than the reader."""


class RecipeError(ValueError):
    """The folder holds a training by another recipe."""


@dataclass(frozen=True)
class TrainingRun:
    """A training: its recipe, its seed, and where it happens."""

    recipe: Recipe
    seed: int
    folder: Path
    device: torch.device
    report: Report
    start: StartingWeights | None = None
    """None: from nothing. If given, tokenizer and latents stay as they are; its parts learn on."""

    def train(self, drawn: Callable[[int], None]) -> tuple[Path, Path]:
        """Make pipeline and judge.

        Args:
            drawn: told the number of training posters as they are drawn.

        Returns:
            The folders of pipeline and judge.

        Raises:
            RecipeError: if the folder holds a training by another recipe or seed.
        """
        self._claim_folder()
        posters = PosterSet(self.folder / "posters", self.seed, self.recipe.num_posters)
        for number in posters.draw():
            drawn(number)
        tokenizer = self._tokenizer()
        judge = self._train_judge(posters, tokenizer)
        text_encoder = self._text_encoder(posters, tokenizer)
        cells, codec = self._codec(posters)
        latents = encode_posters(cells, posters, self.folder / "latents.safetensors")
        painter = self._train_painter(latents, posters, tokenizer, text_encoder)
        save_pipeline(self.folder / "pipeline", tokenizer, text_encoder, codec, painter)
        save_judge(self.folder / "judge", tokenizer, judge)
        return self.folder / "pipeline", self.folder / "judge"

    def _train_painter(
        self, latents: Tensor, posters: PosterSet, tokenizer: CLIPTokenizer, text_encoder: CLIPTextModel
    ) -> UNet2DConditionModel:
        """Train the painter, then the text encoder's wording, then the painter on the new wording.

        At last it learns to do without guidance.
        """
        where = (self.device, self.folder, self.report)
        painter = self.start.painter(self.device) if self.start else make_painter(self.seed, self.device)
        lessons = Lessons(self.recipe, self.seed, latents, posters, tokenizer, text_encoder, *where)
        lessons.train(painter)
        teach_wording(self.recipe, self.seed, tokenizer, text_encoder, *where)
        lessons.polish(painter)
        lessons.distil(painter)
        return painter

    def _claim_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        start = f", from {self.start.folder}" if self.start else ""
        note, own = self.folder / "recipe.txt", f"seed {self.seed}, {asdict(self.recipe)}{start}\n"
        if note.exists() and note.read_text() != own:
            raise RecipeError(
                f"{self.folder} holds a training by another recipe or seed: name another folder, or remove it"
            )
        note.write_text(own)

    def _tokenizer(self) -> CLIPTokenizer:
        folder = self.folder / "tokenizer"
        if self.start:
            return self.start.tokenizer()
        if (folder / "tokenizer_config.json").exists():
            return read_tokenizer(folder)
        return make_tokenizer(folder, self.seed)

    def _text_encoder(self, posters: PosterSet, tokenizer: CLIPTokenizer) -> CLIPTextModel:
        """Load the reader, or train it beside an image tower that is thrown away."""
        if self.start:
            return self.start.text_encoder()
        lesson = ContrastCourse(
            name="reader",
            seed=self.seed,
            num_steps=self.recipe.reader_steps,
            batch=self.recipe.reader_batch,
            learning_rate=self.recipe.clip_learning_rate,
            wording=EVERYDAY,
        )
        where = (self.device, self.folder, self.report)
        return text_encoder_of(train_clip(lesson, posters, tokenizer, *where))

    def _codec(self, posters: PosterSet) -> tuple[LinearCells, AutoencoderTiny]:
        """Load the codec and the linear map of its latents, or make them; the folder keeps the map."""
        if self.start:
            keep_cells(self.start.cells(), self.folder / CELLS_FILE)
        cells = fit_cells(posters, self.folder / CELLS_FILE)
        where = (self.device, self.folder, self.report)
        start = self.start.codec() if self.start else None
        return cells, train_codec(self.recipe, self.seed, cells, posters, *where, start)

    def _train_judge(self, posters: PosterSet, tokenizer: CLIPTokenizer) -> CLIPModel:
        lesson = ContrastCourse(
            name="judge",
            seed=self.seed + JUDGE_SEED_SHIFT,
            num_steps=self.recipe.judge_steps,
            batch=self.recipe.judge_batch,
            learning_rate=self.recipe.clip_learning_rate,
            wording=VARIED,
            text_layers=3,
            genre_share=1.0,
            many_genres=0.4,
            shift_pixels=JUDGE_SHIFT_PIXELS,
        )
        start = self._starting_judge()
        return train_clip(lesson, posters, tokenizer, self.device, self.folder, self.report, start)

    def _starting_judge(self) -> CLIPModel | None:
        """The judge that learns on, seeing finer patches from now on; None for one that begins anew."""
        if self.start is None or self.recipe.new_judge:
            return None
        judge = self.start.judge()
        return with_finer_patches(judge, PATCH_PIXELS) if self.recipe.judge_steps else judge
