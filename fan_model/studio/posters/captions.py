"""Captions of posters, and titles that look real and say nothing.

The wording varies: synonyms, order, what is left out. `EVERYDAY` captions teach the reader and the painter,
`LOOSE` ones refine both, `VARIED` ones teach the judge; `TEST` captions have forms that nothing was trained
on.
"""

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from random import Random

from fan_model.studio.posters.genres import GENRES
from fan_model.studio.posters.poster import PosterSpec

Words = dict[str, tuple[str, ...]]

GENRE_WORDS: Words = {
    "Children": ("children", "children's", "kids"),
    "Sci-Fi": ("sci-fi", "science fiction"),
    "Film-Noir": ("film-noir", "film noir", "noir"),
    "Animation": ("animation", "animated", "cartoon"),
    "Romance": ("romance", "romantic", "love story"),
    "Musical": ("musical", "music"),
}
"""Of genres that have other names than their own."""
PALETTE_WORDS: Words = {
    "warm": ("warm", "warm colors", "warm palette", "warm tones", "orange and red"),
    "cold": ("cold", "cold colors", "cold palette", "cold blue tones", "cool blue"),
    "pastel": ("pastel", "pastel colors", "pastel palette", "soft pastel tones"),
    "neon": ("neon", "neon colors", "neon lights", "glowing neon palette"),
    "monochrome": ("monochrome", "black and white", "monochrome palette", "grayscale"),
    "sepia": ("sepia", "sepia tones", "sepia palette", "faded sepia"),
    "earthy": ("earthy", "earth tones", "earthy palette", "brown earth colors"),
    "emerald": ("emerald", "emerald green", "green palette", "green tones"),
    "golden": ("golden", "gold colors", "golden palette", "golden yellow"),
    "crimson": ("crimson", "blood red", "crimson palette", "dark red tones"),
}
STYLE_WORDS: Words = {
    "flat": ("flat vector", "vector art", "flat design", "flat vector style"),
    "watercolor": ("watercolor", "watercolor painting", "in watercolor style", "watercolour"),
    "pixel": ("pixel art", "8-bit pixel art", "pixel art style", "retro pixels"),
    "line": ("line drawing", "ink drawing", "line art", "pen and ink"),
    "oil": ("oil painting", "oil on canvas", "oil painting style", "thick brush strokes"),
    "halftone": ("halftone print", "halftone", "comic halftone dots", "halftone style"),
}
COMPOSITION_WORDS: Words = {
    "close-up": ("close-up", "close up view", "large close-up"),
    "wide": ("wide shot", "distant view", "wide view"),
    "framed": ("framed", "with a frame", "framed border"),
    "tilted": ("tilted angle", "dutch angle", "tilted"),
    "minimal": ("minimal", "minimalist", "minimalist background"),
}
KINDS = ("film poster", "movie poster", "poster", "movie", "film")
VARIED_KINDS = (
    "cinema poster",
    "artwork for a movie",
    "picture of a film",
    "theatrical poster",
    "film artwork",
)
VARIED_FORMS = (
    "{core} in {bits}",
    "{core}, done in {bits}",
    "{bits} {core}",
    "{core} with {bits}",
    "{core}: {bits}",
)
_WORDS = tomllib.loads(files(__package__).joinpath("title_words.toml").read_text(encoding="utf-8"))
NOUNS, ADJECTIVES = _WORDS["nouns"], _WORDS["adjectives"]
NAMES, SYLLABLES = _WORDS["names"], _WORDS["syllables"]
TITLE_FORMS = (
    "{a}",
    "the {a}",
    "{a} {b}",
    "the {a} {b}",
    "{a} of the {b}",
    "{a} and {b}",
    "a {a} {b}",
    "{a}'s {b}",
    "{a} in the {b}",
    "{a}, the",
    "{a}: the {b} {a}",
    "{a} {b} {a}",
    "{a} & {b}, the",
    "{a}'s {b} {n}",
    "{a} {n}: {b}",
    "{a} {b} (a.k.a. {b} {a})",
)


LOOSE_KINDS = (
    *KINDS,
    *VARIED_KINDS,
    "motion picture",
    "feature film poster",
    "lobby card",
    "billboard for a film",
    "cover of a movie",
    "film {noun}",
    "movie {noun}",
    "{noun} of a film",
    "{noun} for a movie",
    "{adjective} {noun}",
    "{noun}",
    "",
)
LOOSE_JOINERS = (
    ", ",
    " ",
    " in ",
    " with ",
    " - ",
    " | ",
    ", done in ",
    " drawn in ",
    " painted with ",
    " by way of ",
    " rendered like ",
    ". ",
    " and ",
    " that has ",
    " shown in ",
    " + ",
    " of ",
    " {noun} ",
)
"""Anything may stand between what is told: a reader that knows this does not stumble over a new word."""
TEST_KINDS = ("one-sheet", "key art", "publicity poster", "advertisement of a film", "print of a movie")
TEST_FORMS = (
    "{core}; {bits}",
    "{core} using {bits}",
    "{bits}: {core}",
    "{core} made as {bits}",
    "{core} / {bits}",
)


@dataclass(frozen=True)
class Wording:
    """How captions are worded."""

    varied: float = 0.0
    """Share of captions in varied forms, 0..1."""
    loose: float = 0.0
    """Share of captions in which anything stands between the parts, 0..1."""
    test: float = 0.0
    """Share of captions in forms that no part is trained on, 0..1."""
    title: float = 0.55
    """Share of captions with a title."""
    composition: float = 0.9
    """Share that names the composition, where there is one."""


EVERYDAY = Wording()
VARIED = Wording(varied=0.5, title=0.5)
LOOSE = Wording(loose=0.5)
TEST = Wording(test=1.0, composition=1.0)
"""Complete captions in words that nothing was trained on."""


def write_caption(spec: PosterSpec, random: Random, wording: Wording = EVERYDAY) -> str:
    """Describe a poster in words drawn by lot; what its spec leaves open is not told."""
    title = write_title(random) if random.random() < wording.title else ""
    bits = _bits(spec, random, wording)
    if spec.era and title and random.random() < 0.6:
        title += f" ({int(spec.era[:4]) + random.randint(0, 9)})"
    elif spec.era:
        bits.insert(random.randint(0, len(bits)), spec.era)
    chance, genres = random.random(), _genres(spec, random)
    if chance < wording.test:
        text = _sentence(genres, bits, random, TEST_KINDS, TEST_FORMS)
    elif chance < wording.test + wording.varied:
        text = _sentence(genres, bits, random, VARIED_KINDS, VARIED_FORMS)
    elif chance < wording.test + wording.varied + wording.loose:
        text = _loose(genres, bits, random)
    else:
        text = _list(genres, bits, random)
    return f"{title}, {text}" if title else text


def write_names(random: Random) -> list[str]:
    """Write a text for each genre, each palette and each style, that names it and nothing else."""
    choices = [GENRE_WORDS.get(genre, (genre.lower(),)) for genre in GENRES]
    choices += [*PALETTE_WORDS.values(), *STYLE_WORDS.values()]
    kinds = KINDS + VARIED_KINDS
    return [f"{random.choice(words)} {random.choice(kinds)}" for words in choices]


def write_title(random: Random) -> str:
    """Make up a title of a film."""
    return random.choice(TITLE_FORMS).format(a=_word(random), b=_word(random), n=random.randint(2, 9))


def _bits(spec: PosterSpec, random: Random, wording: Wording) -> list[str]:
    named = (
        (PALETTE_WORDS.get(spec.palette or "", ()), 1.0),
        (STYLE_WORDS.get(spec.style or "", ()), 1.0),
        (COMPOSITION_WORDS.get(spec.composition or "", ()), wording.composition),
    )
    bits = [random.choice(words) for words, share in named if words and random.random() < share]
    random.shuffle(bits)
    return bits


def _genres(spec: PosterSpec, random: Random) -> str:
    words = [random.choice(GENRE_WORDS.get(genre, (genre.lower(),))) for genre in spec.genres]
    return (" " if random.random() < 0.7 else ", ").join(words)


def _list(genres: str, bits: list[str], random: Random) -> str:
    """Word a caption as a list, the core somewhere in it."""
    core = random.choice(("{g} {k}", "{g} {k}", "{g} {k}", "poster of a {g} film", "{g}")).format(
        g=genres, k=random.choice(KINDS)
    )
    if bits and random.random() < 0.3:
        core = f"{bits.pop()} {core}"
    parts = [random.choice(("", "", "a ", "an ")) + core, *bits]
    if random.random() < 0.2:
        random.shuffle(parts)
    return ", ".join(parts)


def _sentence(
    genres: str, bits: list[str], random: Random, kinds: tuple[str, ...], forms: tuple[str, ...]
) -> str:
    """Word a caption as something like a sentence."""
    core = f"{genres} {random.choice(kinds)}"
    joined = random.choice((" and ", ", ", " ")).join(bits)
    return random.choice(forms).format(core=core, bits=joined) if bits else core


def _loose(genres: str, bits: list[str], random: Random) -> str:
    """Word a caption as parts in any order, with anything between them."""
    kind = random.choice(LOOSE_KINDS).format(noun=random.choice(NOUNS), adjective=random.choice(ADJECTIVES))
    parts = [f"{genres} {kind}" if random.random() < 0.8 else f"{kind} {genres}", *bits]
    random.shuffle(parts)
    text = parts[0].strip()
    for part in parts[1:]:
        text += random.choice(LOOSE_JOINERS).format(noun=random.choice(NOUNS)) + part.strip()
    return text


def _word(random: Random) -> str:
    chance = random.random()
    if chance < 0.93:
        return random.choice(NOUNS if chance < 0.55 else ADJECTIVES if chance < 0.8 else NAMES)
    return "".join(random.choice(SYLLABLES) for _ in range(random.randint(2, 3)))
