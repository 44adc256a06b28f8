"""Contact sheets of the bundled model: rendered, drawn, personalized, alpha 0 to 1. Nothing is picked."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

from PIL import Image

from evaluation.bundled_model.figures import Drawer, word_of
from evaluation.bundled_model.fused_taste import ALPHAS
from fan_model.drawing.requests import ArtworkRequest
from fan_model.studio.posters.captions import PALETTE_WORDS, STYLE_WORDS, TEST, write_caption
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


FILMS = (
    "Toy Story (1995), adventure animation children comedy fantasy",
    "Casablanca (1942), drama romance",
    "Alien (1979), horror sci-fi",
    "Some Like It Hot (1959), comedy crime",
    "Blade Runner (1982), action sci-fi thriller",
    "The Maltese Falcon (1941), film-noir mystery",
    "Beauty and the Beast (1991), animation children fantasy musical romance imax",
    "Saving Private Ryan (1998), action drama war",
    "Butch Cassidy and the Sundance Kid (1969), action western",
    "Psycho (1960), crime horror",
    "Spirited Away (Sen to Chihiro no kamikakushi) (2001), adventure animation fantasy",
    "Top Hat (1935), comedy musical romance",
    "Bowling for Columbine (2002), documentary",
    "The Silence of the Lambs (1991), crime horror thriller",
    "The Wizard of Oz (1939), adventure children fantasy musical",
    "Shaun of the Dead (2004), comedy horror",
    "Star Wars: Episode IV - A New Hope (1977), action adventure sci-fi",
    "Chinatown (1974), crime film-noir mystery thriller",
)
"""Films of the sample, as items read there."""
HISTORIES = (
    "horror film poster",
    "sci-fi film poster",
    "western film poster",
    "war film poster",
    "film-noir film poster, 1940s",
    "romance film poster, 1930s",
    "action film poster, 1980s",
    "animation film poster, 1960s",
)
"""What the references of a history have in common, none of which says a palette or a style."""


def write_sheets(drawer: Drawer, folder: Path) -> None:
    """Write the six sheets as PNG files."""
    save_sheet(_rendered_and_drawn(drawer), folder / "rendered-drawn.png")
    save_sheet(_genres(drawer), folder / "genres.png")
    save_sheet(_palettes_and_styles(drawer), folder / "palettes-styles.png")
    save_sheet(_personalized(drawer), folder / "alpha.png")
    save_sheet(_films(drawer), folder / "films.png")
    save_sheet(_histories(drawer), folder / "histories.png")


def save_sheet(rows: Sequence[Row], file: Path) -> None:
    """Write rows of pictures of 128 pixels as one picture, in 256 colours: a quarter of the bytes."""
    step = POSTER_PIXELS + GAP
    sheet = Image.new("RGB", (max(map(len, rows)) * step - GAP, len(rows) * step - GAP), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            sheet.paste(picture, (x * step, y * step))
    sheet.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(file, optimize=True)


def _rendered_and_drawn(drawer: Drawer) -> list[Row]:
    """Specs by lot: a row of rendered posters, below it what the model draws from their captions."""
    random = Random(5)
    specs = [sample_spec(random) for _ in range(27)]
    requests = [
        ArtworkRequest(prompt=write_caption(spec, random, TEST), seed=i) for i, spec in enumerate(specs)
    ]
    rendered, drawn = [render(spec, i) for i, spec in enumerate(specs)], list(drawer.draw(requests))
    return [row[start : start + 9] for start in (0, 9, 18) for row in (rendered, drawn)]


def _genres(drawer: Drawer) -> list[Row]:
    """All genres in a palette of their habit, two seeds."""
    prompts = [
        f"{word_of(genre)} film poster, {GENRES_BY_NAME[genre].habit}, flat vector" for genre in GENRES
    ]
    drawn = list(drawer.draw([ArtworkRequest(prompt=text, seed=seed) for seed in (0, 1) for text in prompts]))
    return [drawn[start : start + 9] for start in range(0, 36, 9)]


def _palettes_and_styles(drawer: Drawer) -> list[Row]:
    """All palettes on two genres, all styles on two genres."""
    rows = [
        [f"{genre} film poster, {PALETTE_WORDS[p][0]}, flat vector" for p in PALETTES]
        for genre in ("western", "drama")
    ]
    rows += [
        [f"{genre} film poster, {palette}, {STYLE_WORDS[style][0]}" for style in STYLES]
        for genre, palette in (("fantasy", "emerald"), ("horror", "cold"))
    ]
    return [list(drawer.draw([ArtworkRequest(prompt=text, seed=3) for text in row])) for row in rows]


def _personalized(drawer: Drawer) -> list[Row]:
    """Each case: alpha from 0 to 1, then three of its references drawn."""
    random = Random(9)
    rows: list[Row] = []
    for genre, (palette, style) in CASES:
        specs = [PosterSpec((random.choice(GENRES),), palette, style) for _ in range(4)]
        references = tuple(write_caption(spec, random, TEST) for spec in specs)
        request = ArtworkRequest(prompt=f"{word_of(genre)} film poster", references=references, seed=1)
        row = [picture for alpha in ALPHAS for picture in drawer.draw([request], alpha)]
        rows.append(row + list(drawer.draw([ArtworkRequest(prompt=text, seed=1) for text in references[:3]])))
    return rows


def _films(drawer: Drawer) -> list[Row]:
    """Films of the sample by their titles, years and genres."""
    requests = [ArtworkRequest(prompt=f"{film} film poster", seed=i) for i, film in enumerate(FILMS)]
    drawn = list(drawer.draw(requests))
    return [drawn[:9], drawn[9:]]


def _histories(drawer: Drawer) -> list[Row]:
    """Three films without personalization, and for the user of each history."""
    rows: list[Row] = []
    for film in FILMS[3], FILMS[1], FILMS[16]:
        prompt = f"{film} film poster"
        requests = [ArtworkRequest(prompt=prompt, references=(text,), seed=2) for text in HISTORIES]
        rows.append([*drawer.draw([ArtworkRequest(prompt=prompt, seed=2)]), *drawer.draw(requests, 0.4)])
    return rows
