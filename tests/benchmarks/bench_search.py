"""Is personalized retrieval worth it? Where held-out likes rank among all items, with and without a taste.

150 users of the shipped MovieLens sample with at least 20 likes (4 stars or more). Half of each user's likes,
by lot, is the taste. Up to four of the other half are looked for, each by one of its genres ("a western film
poster"), among all items that are not in the taste, by the bundled CLIP. The figure is the geometric mean of
the ranks of what is looked for.
"""

import csv
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from fan_model.bundled import JUDGE_FOLDER
from fan_model.encoders.text_encoders import Profile
from fan_model.method.personalization import Personalization
from fan_model.retrieval.clip import Clip
from fan_model.retrieval.clip_features import FeatureEncoder, blend_features
from tests.benchmarks.registry import Measurement, benchmark, peak_mib

SAMPLE = Path(__file__).parents[2] / "sample" / "ml-latest-small"
LEAST_LIKES, NUM_USERS, HELD_OUT, NUM_REFERENCES, FIRST = 20, 150, 4, 20, 10
BATCH = 128
PLAIN = "the query alone"


@dataclass(frozen=True)
class Case:
    taste: Sequence[int]
    wanted: int
    genre: str

    @property
    def query(self) -> str:
        return f"a {self.genre} film poster"


@dataclass(frozen=True)
class Catalogue:
    texts: Sequence[str]
    genres: Sequence[Sequence[str]]
    features: np.ndarray
    encoder: FeatureEncoder
    cases: Sequence[Case]


@cache
def catalogue() -> Catalogue:
    rows = [row for row in rows_of("movies.csv") if not row["genres"].startswith("(")]
    genres = [row["genres"].lower().replace("sci-fi", "science fiction").split("|") for row in rows]
    texts = [f"{row['title']}, {', '.join(of)} film poster" for row, of in zip(rows, genres, strict=True)]
    encoder = FeatureEncoder(Clip.from_pretrained(JUDGE_FOLDER))
    batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
    features = np.concatenate([encoder.encode_texts(batch) for batch in batches])
    return Catalogue(texts, genres, features, encoder, cases_of([row["movieId"] for row in rows], genres))


def rows_of(name: str) -> list[dict[str, str]]:
    with (SAMPLE / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def cases_of(ids: Sequence[str], genres: Sequence[Sequence[str]]) -> list[Case]:
    places, liked = {one: place for place, one in enumerate(ids)}, {}
    for row in rows_of("ratings.csv"):
        if float(row["rating"]) >= 4 and row["movieId"] in places:
            liked.setdefault(row["userId"], []).append(places[row["movieId"]])
    chance = random.Random(0)
    users = [user for user in sorted(liked, key=int) if len(liked[user]) >= LEAST_LIKES]
    chance.shuffle(users)
    cases = []
    for user in users[:NUM_USERS]:
        chance.shuffle(liked[user])
        half = len(liked[user]) // 2
        taste, held = liked[user][:half], liked[user][half:]
        for wanted in chance.sample(held, min(HELD_OUT, len(held))):
            cases.append(Case(taste, wanted, chance.choice(genres[wanted])))
    return cases


def ranks(features: np.ndarray) -> tuple[float, float]:
    """Geometric mean of the ranks of held-out likes, and the share of the first 10 of the asked genre."""
    found, kept = [], []
    for case, feature in zip(catalogue().cases, features, strict=True):
        scores = catalogue().features @ feature
        scores[case.taste] = -np.inf
        found.append(np.log((scores > scores[case.wanted]).sum() + 1))
        first = np.argsort(-scores)[:FIRST]
        kept.append(np.mean([case.genre in catalogue().genres[place] for place in first]))
    return float(np.exp(np.mean(found))), float(np.mean(kept))


def compare(ours: Callable[[], np.ndarray]) -> Measurement:
    before = peak_mib()
    plain_rank, plain_kept = ranks(catalogue().encoder.encode_texts([one.query for one in catalogue().cases]))
    rank, kept = ranks(ours())
    remark = f"first {FIRST} of the asked genre: {100 * kept:.1f} %, plain {100 * plain_kept:.1f} %"
    return Measurement(plain_rank, rank, "rank of a held-out like", peak_mib() - before, remark)


def mean(share: float) -> np.ndarray:
    queries = catalogue().encoder.encode_texts([case.query for case in catalogue().cases])
    return np.concatenate(
        [
            blend_features(query[None], catalogue().features[case.taste], [1.0] * len(case.taste), share)
            for query, case in zip(queries, catalogue().cases, strict=True)
        ]
    )


def attention(alpha: float) -> np.ndarray:
    chance, profiles = random.Random(1), []
    for case in catalogue().cases:
        chosen = chance.sample(case.taste, min(NUM_REFERENCES, len(case.taste)))
        texts = tuple(dict.fromkeys(catalogue().texts[place] for place in chosen))
        profiles.append(Profile(case.query, texts, (1.0,) * len(texts)))
    how, encoder = Personalization(alpha=alpha, skip_layers=()), catalogue().encoder
    batches = [profiles[start : start + BATCH] for start in range(0, len(profiles), BATCH)]
    return np.concatenate([encoder.personalize_text_feature(batch, how) for batch in batches])


@benchmark("search_mean", plain=PLAIN, ours="mixed with the mean of likes, 0.4")
def search_mean() -> Measurement:
    return compare(lambda: mean(0.4))


@benchmark("search_attention", plain=PLAIN, ours="personalized attention, alpha 0.4")
def search_attention() -> Measurement:
    return compare(lambda: attention(0.4))
