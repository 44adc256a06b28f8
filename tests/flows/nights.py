"""Small logs and settings for nights on them."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from flows.settings import read_settings
from flows.stages.night import STAGES, run_night
from flows.workspace import open_lake

NUM_USERS = 5
GENRES = ("Comedy", "Horror|Thriller", "Sci-Fi|Action", "Romance|Drama", "Western", "Animation|Children")
TITLES = ("Night <b>Train</b>", "Last Harvest", "Blue Harbour", "Paper Moons", "Iron Tide", "Quiet Signal")


def write_movielens(folder: Path, ratings: list[tuple[object, ...]]) -> Path:
    """Write `movies.csv` of 24 films and `ratings.csv` of the ratings (user, film, rating, epoch seconds)."""
    folder.mkdir(parents=True, exist_ok=True)
    films = [
        f'{number},"{TITLES[number % 6]} {number} ({1970 + number})",{GENRES[number % 5]}'
        for number in range(1, 25)
    ]
    (folder / "movies.csv").write_text("\n".join(["movieId,title,genres", *films]) + "\n")
    lines = [",".join(str(value) for value in rating) for rating in ratings]
    (folder / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *lines]) + "\n")
    return folder


def sample_ratings() -> list[tuple[object, ...]]:
    """Twelve ratings for each user, spread over the films."""
    generator = random.Random(5)
    return [
        (user, film, generator.choice((2.0, 3.5, 4.0, 5.0)), 1_000_000_000 + 1000 * user + place)
        for user in range(1, NUM_USERS + 1)
        for place, film in enumerate(generator.sample(range(1, 25), 12))
    ]


def write_settings(folder: Path, text: str) -> Path:
    """Write `fan.toml` for a workspace beside it."""
    file = folder / "fan.toml"
    file.write_text(text)
    return file


@contextmanager
def use_variables(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment until the block ends."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


def run(settings_file: Path, stages=STAGES):
    """Run a night, or some of its stages, as they are without Prefect; return the run's row."""
    return run_night(read_settings(settings_file), stages)


def ask(settings_file: Path, sql: str) -> list[tuple[object, ...]]:
    """Ask the night's lake, read only; return the rows."""
    lake = open_lake(read_settings(settings_file), read_only=True)
    try:
        return [tuple(row.values()) for row in lake.query(sql).to_pylist()]
    finally:
        lake.close()


NIGHT = """
max_users = 4
bucket_users = 3
[[sources]]
adapter = "movielens"
path = "logs"
[targets]
method = "latest"
per_user = 1
[drawing]
num_inference_steps = 2
"""
CONTRASTED = (
    NIGHT
    + """contrast = 0.8
[profile]
distinctive = true
[crowd]
size = 3
least_users = 2
"""
)
