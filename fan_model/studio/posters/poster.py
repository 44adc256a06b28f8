"""A poster: what it shows (`PosterSpec`), how specs are drawn by lot, and how a spec is painted."""

from dataclasses import dataclass
from random import Random

from PIL import Image, ImageDraw

from fan_model.studio.posters.canvas import CANVAS_PIXELS, Canvas
from fan_model.studio.posters.eras import ERAS, ORNAMENTS, age
from fan_model.studio.posters.genres import GENRES, GENRES_BY_NAME
from fan_model.studio.posters.palettes import PALETTES, Palette, mix_palette
from fan_model.studio.posters.styles import STYLES

COMPOSITIONS = ("close-up", "wide", "framed", "tilted", "minimal")


@dataclass(frozen=True)
class PosterSpec:
    """What a poster shows. The first genre is the motif and the ground, the others are small."""

    genres: tuple[str, ...]
    palette: str
    style: str
    era: str | None = None
    composition: str | None = None


def sample_spec(random: Random) -> PosterSpec:
    """Draw a spec by lot."""
    genres = tuple(random.sample(GENRES, random.choices((1, 2, 3), (0.66, 0.27, 0.07))[0]))
    habit = random.random() < 0.33
    return PosterSpec(
        genres=genres,
        palette=random.choice(GENRES_BY_NAME[genres[0]].habit) if habit else random.choice(PALETTES),
        style=random.choice(tuple(STYLES)),
        era=random.choice(ERAS) if random.random() < 0.35 else None,
        composition=random.choice(COMPOSITIONS) if random.random() < 0.35 else None,
    )


def render(spec: PosterSpec, seed: int) -> Image.Image:
    """Paint a poster of 128 by 128 pixels; the seed decides what the spec leaves open."""
    random = Random(seed)
    palette = mix_palette(spec.palette, random)
    canvas = Canvas()
    _paint_ground(canvas, spec, palette, random)
    _paint_motifs(canvas, spec, palette, random)
    image = age(_compose(canvas.image, spec, palette), spec.era)
    return STYLES[spec.style](image, palette, random)


def _paint_ground(canvas: Canvas, spec: PosterSpec, palette: Palette, random: Random) -> None:
    genre = GENRES_BY_NAME[spec.genres[0]]
    if spec.composition == "minimal":
        canvas.fill(palette.dusk if genre.is_dark else palette.sky)
    else:
        genre.backdrop(canvas.brush(), palette, random)
    if spec.era in ORNAMENTS:
        ORNAMENTS[spec.era](canvas.brush(), palette)


def _paint_motifs(canvas: Canvas, spec: PosterSpec, palette: Palette, random: Random) -> None:
    scale = {"close-up": 1.3, "wide": 0.62}.get(spec.composition or "", 1.0)
    y = 0.62 if spec.composition == "wide" else 0.54
    places = (
        [(0.5, y, 0.31)]
        if len(spec.genres) == 1
        else [(0.4, y + 0.06, 0.27), (0.78, 0.26, 0.16), (0.19, 0.18, 0.12)]
    )
    for i, (genre, (x, y, size)) in enumerate(zip(spec.genres, places, strict=False)):
        chance = random.uniform(-0.02, 0.02), random.uniform(-0.02, 0.02)
        size *= scale if i == 0 else min(1.0, scale)
        GENRES_BY_NAME[genre].motif(canvas.brush(x + chance[0], y + chance[1], size), palette, random)


def _compose(image: Image.Image, spec: PosterSpec, palette: Palette) -> Image.Image:
    if spec.composition == "tilted":
        larger = image.resize((340, 340), Image.Resampling.BILINEAR)
        return larger.rotate(14, resample=Image.Resampling.BILINEAR).crop((42, 42, 298, 298))
    if spec.composition == "framed":
        last = CANVAS_PIXELS - 1
        drawing = ImageDraw.Draw(image)
        drawing.rectangle([0, 0, last, last], outline=palette.light, width=18)
        drawing.rectangle([18, 18, last - 18, last - 18], outline=palette.dark, width=6)
    return image
