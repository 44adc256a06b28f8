"""Pictures as references: how fast they are looked at, and which method keeps a target and gains a taste.

The speed is at the shape of CLIP's ViT-B/32 (12 layers, 768 wide, 50 patches), random weights, from JPEG
files of 500 x 750 pixels to embeddings, by processor time.

The methods are compared on posters that the studio paints: a user's references are of any genres, and all in
one palette and one style; the target is of another palette and style. The bundled CLIP looks at them, and
names genre, palette and style of the embedding that comes out, as it names those of pictures.
"""

import copy
import random
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from evaluation.bundled_model.figures import Recognizer
from evaluation.measures.judge import ClipJudge
from fan_model.bundled import JUDGE_FOLDER
from fan_model.encoders.key_value_cache import KeyValueCache
from fan_model.image_references.image_profile import ImageProfile, Picture
from fan_model.image_references.image_towers import ProjectedClip
from fan_model.method.image_personalization import ImagePersonalization
from fan_model.studio.posters.genres import GENRES
from fan_model.studio.posters.palettes import PALETTES
from fan_model.studio.posters.poster import PosterSpec, render
from fan_model.studio.posters.styles import STYLES
from recsys_adapters.pictures.picture_reader import PictureReader
from recsys_adapters.pictures.picture_rules import PictureRules
from tests.benchmarks.registry import Measurement, benchmark, cpu_seconds, peak_mib

NUM_FILES, BATCH = 48, 16
NUM_CASES, NUM_REFERENCES, NUM_CROWD = 200, 4, 12
ALPHAS, CONTRASTS = (0.3, 0.5, 0.6, 0.7), (1.0, 1.5)


@cache
def vit_b_32() -> CLIPVisionModelWithProjection:
    torch.manual_seed(0)
    return CLIPVisionModelWithProjection(CLIPVisionConfig(patch_size=32, image_size=224)).eval()


def write_files(folder: Path) -> list[str]:
    generator = np.random.default_rng(0)
    for place in range(NUM_FILES):
        small = Image.fromarray(generator.integers(0, 256, (30, 20, 3), np.uint8))
        small.resize((500, 750), Image.Resampling.BICUBIC).save(folder / f"{place}.jpg", quality=88)
    return [f"{place}.jpg" for place in range(NUM_FILES)]


@benchmark("pictures_embedded", plain="one at a time, by the model itself", ours="read safely, in batches")
def pictures_embedded() -> Measurement:
    """Processor time of one picture; 60 ms are 1,000 pictures a minute and core."""
    model, processor = vit_b_32(), CLIPImageProcessor()
    with tempfile.TemporaryDirectory() as name, torch.no_grad():
        files, before = write_files(Path(name)), peak_mib()
        reader = PictureReader(PictureRules(allowed=(name,)))
        read_time = cpu_seconds(lambda: [reader.read(file) for file in files]) / NUM_FILES

        def plainly() -> list[torch.Tensor]:
            images = (Image.open(Path(name) / file) for file in files)
            return [model(**processor(image, return_tensors="pt")).image_embeds for image in images]

        embed(model, reader, files)
        peak = peak_mib() - before
        plain_time, our_time = (
            min(cpu_seconds(work) for _ in range(3)) / NUM_FILES
            for work in (plainly, lambda: embed(model, reader, files))
        )
    remark = f"{60 / our_time:.0f} pictures a minute and core; {1e3 * read_time:.1f} ms of reading"
    return Measurement(1e3 * plain_time, 1e3 * our_time, "ms per picture", peak, remark)


@benchmark("pictures_bfloat16", plain="in float32", ours='with dtype = "bfloat16"')
def pictures_bfloat16() -> Measurement:
    """The same in the number type of the image model, where a setting says so."""
    single, half = vit_b_32(), copy.deepcopy(vit_b_32()).to(torch.bfloat16)
    with tempfile.TemporaryDirectory() as name, torch.no_grad():
        files, before = write_files(Path(name)), peak_mib()
        reader = PictureReader(PictureRules(allowed=(name,)))
        seen = [torch.cat(embed(model, reader, files)).float() for model in (single, half)]
        peak = peak_mib() - before
        single_time, half_time = (
            min(cpu_seconds(lambda of=model: embed(of, reader, files)) for _ in range(3)) / NUM_FILES
            for model in (single, half)
        )
    likeness = torch.cosine_similarity(*seen, dim=-1).min()
    remark = f"{60 / half_time:.0f} pictures a minute and core; cosine with float32's at least {likeness:.4f}"
    return Measurement(1e3 * single_time, 1e3 * half_time, "ms per picture", peak, remark)


def embed(
    model: CLIPVisionModelWithProjection, reader: PictureReader, files: Sequence[str]
) -> list[torch.Tensor]:
    """Read files and look at them, as the embed stage does; nothing is known before."""
    tower = ProjectedClip(model, CLIPImageProcessor(), KeyValueCache(2**28))
    return [
        tower.embed(
            [Picture(one.sha256, one.image) for one in map(reader.read, files[start : start + BATCH])]
        )
        for start in range(0, NUM_FILES, BATCH)
    ]


Labels = tuple[int, int, int]
"""Genre, palette, style."""


class Posters:
    """Targets and tastes, and who names what is seen of them."""

    def __init__(self) -> None:
        lot = random.Random(0)
        judge = ClipJudge.from_pretrained(JUDGE_FOLDER)
        self.recognizer = Recognizer.of(judge)
        self.tower = ProjectedClip(judge.model, judge.image_processor, KeyValueCache(2**29))
        self.targets = [self._labels(lot) for _ in range(NUM_CASES)]
        self.tastes = [self._other(lot, target) for target in self.targets]
        self.pictures = [self._paint(target, lot) for target in self.targets]
        self.references = [
            [self._paint((lot.randrange(len(GENRES)), *taste), lot) for _ in range(NUM_REFERENCES)]
            for taste in self.tastes
        ]
        self.crowd = [self._paint(self._labels(lot), lot) for _ in range(NUM_CROWD)]

    @staticmethod
    def _labels(lot: random.Random) -> Labels:
        return lot.randrange(len(GENRES)), lot.randrange(len(PALETTES)), lot.randrange(len(STYLES))

    @staticmethod
    def _other(lot: random.Random, target: Labels) -> tuple[int, int]:
        _, palette, style = target
        return tuple(
            lot.choice([one for one in range(size) if one != own])
            for own, size in ((palette, len(PALETTES)), (style, len(STYLES)))
        )

    @staticmethod
    def _paint(labels: Labels, lot: random.Random) -> Image.Image:
        genre, palette, style = labels
        spec = PosterSpec((GENRES[genre],), PALETTES[palette], tuple(STYLES)[style])
        return render(spec, lot.randrange(2**31))

    def recognized(self, how: ImagePersonalization | None) -> tuple[float, float, float]:
        """Shares of targets whose genre is kept, and whose palette and style are the user's; None: plain."""
        profiles = [
            ImageProfile.of(
                target,
                references if how else [],
                crowd=self.crowd if how else [],
                how=how,
            )
            for target, references in zip(self.pictures, self.references, strict=True)
        ]
        features = torch.nn.functional.normalize(self.tower.personalize(profiles), dim=-1).numpy()
        named = {name: p.argmax(-1) for name, p in self.recognizer.probabilities(features).items()}
        wanted = {
            "genre": [genre for genre, *_ in self.targets],
            "palette": [palette for palette, _ in self.tastes],
            "style": [style for _, style in self.tastes],
        }
        genre, palette, style = (float((named[name] == of).mean()) for name, of in wanted.items())
        return genre, palette, style


@cache
def posters() -> Posters:
    return Posters()


def compare(ways: Sequence[tuple[str, ImagePersonalization]]) -> Measurement:
    """What is missed of 100 by the best way: genre, palette and style together."""
    before = peak_mib()
    plain = posters().recognized(None)
    shares = {name: posters().recognized(how) for name, how in ways}
    best = max(shares.values(), key=sum)
    remark = "; ".join([_told("plain", plain), *(_told(name, share) for name, share in shares.items())])
    return Measurement(_missed(plain), _missed(best), "% missed", peak_mib() - before, remark)


def _missed(shares: tuple[float, float, float]) -> float:
    return 100 * (1 - sum(shares) / 3)


def _told(name: str, shares: tuple[float, float, float]) -> str:
    return f"{name}: genre {shares[0]:.0%}, palette {shares[1]:.0%}, style {shares[2]:.0%}"


def ways(method: str) -> list[tuple[str, ImagePersonalization]]:
    by_alpha = [(f"alpha {a}", ImagePersonalization(method=method, alpha=a)) for a in ALPHAS]
    by_contrast = [(f"contrast {s}", ImagePersonalization(method=method, contrast=s)) for s in CONTRASTS]
    return by_alpha + by_contrast


@benchmark("pictures_mean", plain="the target alone", ours="the mean of embeddings")
def pictures_mean() -> Measurement:
    return compare(ways("mean"))


@benchmark("pictures_attention", plain="the target alone", ours="personalized attention")
def pictures_attention() -> Measurement:
    return compare(ways("attention"))
