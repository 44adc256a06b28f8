"""A poster: what it shows (`PosterSpec`), how specs are drawn by lot, and how a spec is painted."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from PIL import Image, ImageDraw

from fan_model.studio.posters.canvas import CANVAS_PIXELS, Canvas
from fan_model.studio.posters.eras import ERAS, ORNAMENTS, age
from fan_model.studio.posters.genres import GENRES, GENRES_BY_NAME
from fan_model.studio.posters.habits import STYLE_HABITS
from fan_model.studio.posters.palettes import PALETTES, Colour, Palette, mix_palette
from fan_model.studio.posters.styles import STYLES

COMPOSITIONS = ("close-up", "wide", "framed", "tilted", "minimal")
NUM_GENRES = (0.42, 0.27, 0.21, 0.06, 0.03, 0.01)
"""Shares of specs of one, two ... six genres."""
SCALES = {"close-up": 1.3, "wide": 0.62}
BADGES = ((0.79, 0.76, 0.2), (0.84, 0.4, 0.14))
"""Where the genres beside motif and scene stand, and how large: x, y, radius."""
RIM_PIXELS = 6


@dataclass(frozen=True)
class PosterSpec:
    """What a caption says of a poster.

    The first genre is the motif, the second the scene behind it, the third and fourth are badges; more are
    not shown.
    """

    genres: tuple[str, ...]
    palette: str | None = None
    """None: each genre is painted in the colours of its habit."""
    style: str | None = None
    """None: by the habit of the decade."""
    era: str | None = None
    composition: str | None = None


def sample_spec(random: Random) -> PosterSpec:
    """Draw a spec by lot."""
    num_genres = random.choices(range(1, len(NUM_GENRES) + 1), NUM_GENRES)[0]
    return PosterSpec(
        genres=tuple(random.sample(GENRES, num_genres)),
        palette=random.choice(PALETTES) if random.random() < 0.55 else None,
        style=random.choice(tuple(STYLES)) if random.random() < 0.55 else None,
        era=random.choice(ERAS) if random.random() < 0.6 else None,
        composition=random.choice(COMPOSITIONS) if random.random() < 0.25 else None,
    )


def render(spec: PosterSpec, seed: int) -> Image.Image:
    """Paint a poster of 128 by 128 pixels; the seed decides what the spec leaves open."""
    random = Random(seed)
    palettes = [mix_palette(spec.palette or GENRES_BY_NAME[genre].habit, random) for genre in spec.genres[:4]]
    canvas = Canvas()
    _paint_ground(canvas, spec, palettes, random)
    _paint_motifs(canvas, spec, palettes, random)
    image = age(_compose(canvas.image, spec, palettes[0]), spec.era)
    return STYLES[spec.style or STYLE_HABITS[spec.era]](image, palettes[0], random)


def _paint_ground(canvas: Canvas, spec: PosterSpec, palettes: Sequence[Palette], random: Random) -> None:
    """Paint the scene: the second genre's, where there is one."""
    scene = min(1, len(spec.genres) - 1)
    genre, palette = GENRES_BY_NAME[spec.genres[scene]], palettes[scene]
    if spec.composition == "minimal":
        canvas.fill(palette.dusk if genre.is_dark else palette.sky)
    else:
        genre.backdrop(canvas.brush(), palette, random)
    if spec.era in ORNAMENTS:
        ORNAMENTS[spec.era](canvas.brush(), palettes[0])


def _paint_motifs(canvas: Canvas, spec: PosterSpec, palettes: Sequence[Palette], random: Random) -> None:
    scale = SCALES.get(spec.composition or "", 1.0)
    chance = random.uniform(-0.02, 0.02), random.uniform(-0.02, 0.02)
    alone = len(spec.genres) == 1
    x, y, size = (0.5, 0.54, 0.31) if alone else (0.39, 0.5, 0.29)
    y += 0.08 * (spec.composition == "wide")
    motif = _Motif(spec.genres[0], palettes[0], random.getrandbits(32))
    if alone:
        motif.paint(canvas, x + chance[0], y + chance[1], size * scale)
        return
    motif.paint_outlined(canvas, x + chance[0], y + chance[1], size * scale)
    small = list(zip(spec.genres, palettes, strict=False))[1 if spec.composition == "minimal" else 2 :]
    for (genre, palette), badge in zip(small, BADGES, strict=False):
        _Motif(genre, palette, random.getrandbits(32)).paint_badge(canvas, *badge)


@dataclass(frozen=True)
class _Motif:
    """A genre's motif in its colours, the same each time that it is painted."""

    genre: str
    palette: Palette
    seed: int

    def paint(self, canvas: Canvas, x: float, y: float, size: float) -> None:
        GENRES_BY_NAME[self.genre].motif(canvas.brush(x, y, size), self.palette, Random(self.seed))

    def paint_outlined(self, canvas: Canvas, x: float, y: float, size: float) -> None:
        canvas.outlined(lambda layer: self.paint(layer, x, y, size), self._ground, RIM_PIXELS)

    def paint_badge(self, canvas: Canvas, x: float, y: float, radius: float) -> None:
        """Paint it in a disc with a rim."""
        rim = self.palette.light if GENRES_BY_NAME[self.genre].is_dark else self.palette.dark
        canvas.brush().ellipse(x, y, radius, colour=rim)
        canvas.brush().ellipse(x, y, radius - 0.016, colour=self._ground)
        self.paint(canvas, x, y + 0.02 * radius, 0.62 * radius)

    @property
    def _ground(self) -> Colour:
        """What the motif stands out from."""
        return self.palette.dark if GENRES_BY_NAME[self.genre].is_dark else self.palette.light


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
