"""Contact sheets of the bundled model: rendered, drawn, personalized, alpha 0 to 1. Nothing is picked."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

from PIL import Image

from evaluation.bundled_model.figures import ALPHAS, draw
from fan_model.drawing.artist import Artist
from fan_model.drawing.requests import ArtworkRequest
from fan_model.studio.posters.captions import GENRE_WORDS, PALETTE_WORDS, STYLE_WORDS, TEST, write_caption
from fan_model.studio.posters.genres import GENRES, GENRES_BY_NAME
from fan_model.studio.posters.palettes import PALETTES
from fan_model.studio.posters.poster import PosterSpec, render, sample_spec
from fan_model.studio.posters.styles import POSTER_PIXELS, STYLES

GAP = 4
Row = Sequence[Image.Image]

CASES: tuple[tuple[str, tuple[str, str]], ...] = (
    ("Adventure", ("pastel", "watercolor")),
    ("Sci-Fi", ("sepia", "line")),
    ("Western", ("neon", "pixel")),
    ("Horror", ("golden", "halftone")),
    ("Romance", ("emerald", "oil")),
    ("Comedy", ("cold", "flat")),
)
"""Targets that name only a genre, and what all their references have in common: each style once."""


def write_sheets(artist: Artist, folder: Path) -> None:
    """Write the four sheets as PNG files."""
    save_sheet(_rendered_and_drawn(artist), folder / "rendered-drawn.png")
    save_sheet(_genres(artist), folder / "genres.png")
    save_sheet(_palettes_and_styles(artist), folder / "palettes-styles.png")
    save_sheet(_personalized(artist), folder / "alpha.png")


def save_sheet(rows: Sequence[Row], file: Path) -> None:
    """Write rows of pictures of 128 pixels as one picture, in 256 colours: a quarter of the bytes."""
    step = POSTER_PIXELS + GAP
    sheet = Image.new("RGB", (max(map(len, rows)) * step - GAP, len(rows) * step - GAP), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            sheet.paste(picture, (x * step, y * step))
    sheet.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(file, optimize=True)


def _rendered_and_drawn(artist: Artist) -> list[Row]:
    """Specs by lot: a row of rendered posters, below it what the model draws from their captions."""
    random = Random(5)
    specs = [sample_spec(random) for _ in range(27)]
    requests = [
        ArtworkRequest(prompt=write_caption(spec, random, TEST), seed=i) for i, spec in enumerate(specs)
    ]
    rendered, drawn = [render(spec, i) for i, spec in enumerate(specs)], list(draw(artist, requests))
    return [row[start : start + 9] for start in (0, 9, 18) for row in (rendered, drawn)]


def _genres(artist: Artist) -> list[Row]:
    """All genres in a palette of their habit, two seeds."""
    prompts = [
        f"{_word(genre)} film poster, {GENRES_BY_NAME[genre].habit[0]}, flat vector" for genre in GENRES
    ]
    drawn = list(
        draw(artist, [ArtworkRequest(prompt=text, seed=seed) for seed in (0, 1) for text in prompts])
    )
    return [drawn[start : start + 9] for start in range(0, 36, 9)]


def _palettes_and_styles(artist: Artist) -> list[Row]:
    """All palettes on two genres, all styles on two genres."""
    rows = [
        [f"{genre} film poster, {PALETTE_WORDS[p][0]}, flat vector" for p in PALETTES]
        for genre in ("western", "drama")
    ]
    rows += [
        [f"{genre} film poster, {palette}, {STYLE_WORDS[style][0]}" for style in STYLES]
        for genre, palette in (("fantasy", "emerald"), ("horror", "cold"))
    ]
    return [list(draw(artist, [ArtworkRequest(prompt=text, seed=3) for text in row])) for row in rows]


def _personalized(artist: Artist) -> list[Row]:
    """Each case: alpha from 0 to 1, then three of its references drawn."""
    random = Random(9)
    rows: list[Row] = []
    for genre, (palette, style) in CASES:
        specs = [PosterSpec((random.choice(GENRES),), palette, style) for _ in range(4)]
        references = tuple(write_caption(spec, random, TEST) for spec in specs)
        request = ArtworkRequest(prompt=f"{_word(genre)} film poster", references=references, seed=1)
        row = [picture for alpha in ALPHAS for picture in draw(artist, [request], alpha)]
        rows.append(
            row + list(draw(artist, [ArtworkRequest(prompt=text, seed=1) for text in references[:3]]))
        )
    return rows


def _word(genre: str) -> str:
    return GENRE_WORDS.get(genre, (genre.lower(),))[0]
