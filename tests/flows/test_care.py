"""Forgetting a user, upkeep and the doctor, on the workspace of a whole night."""

from datetime import timedelta

import pytest

from flows.commands.doctor import describe, examine
from flows.commands.forget import forget
from flows.commands.maintain import maintain
from flows.night_lock import NightInProgressError, hold_night
from flows.settings import read_settings
from flows.workspace import open_lake
from tests.flows.nights import NIGHT, run, sample_ratings, write_movielens, write_settings

pytestmark = pytest.mark.whole

LEAVER = "leaver4711"
SECRET_FILM, SECRET = 25, "Most Secret Footage"
"""Nobody else rated it, but the catalogue is everybody's."""
BROKEN = [(LEAVER, 4, 4.0, "yesterday")]


@pytest.fixture(scope="module")
def model(tiny_pipeline):
    """Leave the registry in the workspace, where forgetting must reach it."""
    return {"FAN_MODEL__PIPELINE": str(tiny_pipeline)}


@pytest.fixture(scope="module")
def night(model, tmp_path_factory):
    """Settings of a published night with everything, MLflow too, in one workspace."""
    folder = tmp_path_factory.mktemp("care")
    write_movielens(folder / "logs", [*sample_ratings(), *ratings_of_leaver(), *BROKEN])
    with (folder / "logs" / "movies.csv").open("a") as films:
        films.write(f'{SECRET_FILM},"{SECRET} (1999)",Drama\n')
    settings_file = write_settings(folder, NIGHT.replace("max_users = 4", 'max_users = "all"'))
    run(settings_file)
    return read_settings(settings_file)


def ratings_of_leaver():
    shared = [film for _, film, *_ in sample_ratings()][:6]
    films = [*shared[:3], SECRET_FILM, *shared[3:]]
    return [(LEAVER, film, 5.0, 1_050_000_000 + place) for place, film in enumerate(films)]


def ask(settings, sql):
    lake = open_lake(settings, read_only=True)
    rows = [tuple(row.values()) for row in lake.query(sql).to_pylist()]
    lake.close()
    return rows


def files_with(settings, text):
    files = [path for path in settings.workspace.rglob("*") if path.is_file()]
    return [path for path in files if text.encode() in path.read_bytes()]


def broken(settings):
    return [describe(finding) for finding in examine(settings) if finding.num_offenders]


def test_the_doctor_finds_nothing_after_a_night_and_a_damaged_picture_is_drawn_again_the_same(night):
    assert broken(night) == []
    ((path, *_), *_) = ask(night, "SELECT image_path FROM artworks ORDER BY ALL")
    before = (night.workspace / path).read_bytes()
    (night.workspace / path).write_bytes(b"damaged")
    (line,) = broken(night)
    assert "run `fan maintain`, then `fan nightly`" in line
    assert maintain(night, keep=timedelta(0))["pictures_to_draw_again"] >= 1
    run(night.workspace.parent / "fan.toml")
    assert broken(night) == []
    assert (night.workspace / path).read_bytes() == before


def test_no_file_of_the_workspace_tells_of_a_forgotten_user(night):
    others = ask(night, f"SELECT user_id, item_id, image_sha256 FROM artworks WHERE user_id <> '{LEAVER}'")
    ((key,),) = ask(night, f"SELECT user_key FROM keyed.users WHERE user_id = '{LEAVER}'")
    for folder in ("evaluation/e1", "mlflow/artifacts/evaluation/r1/artifacts"):
        (night.workspace / folder).mkdir(parents=True)
        (night.workspace / folder / "index.html").write_text(f"<li>User {key}")
    for folder in ("evaluation/pictures", "evaluation/data"):
        (night.workspace / folder).mkdir()
        (night.workspace / folder / "of_the_user").write_text(LEAVER)
    assert files_with(night, LEAVER)
    assert files_with(night, SECRET)
    counts = forget(night, LEAVER)
    assert counts["reports"] == 2
    assert files_with(night, LEAVER) == []
    assert files_with(night, str(key)) == []
    assert files_with(night, SECRET)
    assert broken(night) == []
    found = ask(night, "SELECT user_id, item_id, image_sha256 FROM artworks")
    assert sorted(found) == sorted(others)
    run(night.workspace.parent / "fan.toml")
    assert files_with(night, LEAVER) == []


def test_neither_forgets_nor_tidies_while_a_night_is_running(night):
    with hold_night(night):
        for work in (lambda: forget(night, "1"), lambda: maintain(night, keep=timedelta(0))):
            with pytest.raises(NightInProgressError, match="another night is running"):
                work()
