"""`fan describe`: items' own pictures as style phrases, which the next night draws from."""

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from fan_model.describing.describer import Describer
from fan_model.describing.model_folder import DescriberError
from flows.cli.program import app
from flows.commands import describe as command
from flows.commands.describe import BLOCKED, DescribingInProgressError, describe
from flows.settings import read_settings
from tests.fan_model.vision_language_models import WORDS, llava, save
from tests.flows.nights import ask, run, use_variables, write_settings
from tests.flows.poster_shop import SOURCES, paint, write_items, write_likes

pytestmark = pytest.mark.whole

COLORS = {"dawn": "salmon", "night": "midnightblue", "abyss": "black"}
SETTINGS = (
    """
[pictures]
allowed = ["posters"]
[describe]
model = "vlm"
max_new_tokens = 8
[texts]
reference_template = "{title}, {style}"
target_template = "{title} poster, {style}"
[drawing]
num_inference_steps = 2
"""
    + SOURCES
)
STYLES = "SELECT item_id, style FROM descriptions WHERE style IS NOT NULL ORDER BY described_at"
TEXTS = "SELECT item_id, reference_text FROM items ORDER BY item_id"


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    return save(tmp_path_factory.mktemp("vlm"), llava())


@pytest.fixture
def file(tmp_path, model_folder):
    """Settings of five films, taken in: a twin has the night's picture, one's is lost, one has none."""
    (tmp_path / "posters").mkdir()
    (tmp_path / "vlm").symlink_to(model_folder)
    for name, color in COLORS.items():
        paint(tmp_path, name, color)
    pictures = {name: f"{name}.png" for name in COLORS} | {"twin": "night.png", "lost": "lost.png"}
    write_items(tmp_path, pictures | {"bare": ""})
    likes = [("ann", "dawn", 1), ("ann", "bare", 2), ("bob", "night", 1), ("bob", "bare", 2)]
    write_likes(tmp_path, [(user, item, 1_700_000_000 + time) for user, item, time in likes])
    file = write_settings(tmp_path, SETTINGS)
    run(file, ("ingest",))
    return file


def describe_now(file):
    return describe(read_settings(file)).told()


@pytest.fixture
def questions(monkeypatch):
    """How many pictures each batch asked the model about, as it happens; `fail_after` stops after so many."""
    asked = []
    whole = Describer.describe

    def ask_and_count(self, images):
        asked.append(len(images))
        return whole(self, images)

    monkeypatch.setattr(Describer, "try_out", lambda self, folder: None)
    monkeypatch.setattr(Describer, "describe", ask_and_count)
    return asked


def test_every_picture_is_described_once_and_its_items_have_its_style(file, questions):
    told = describe_now(file)
    assert told == {"pictures": 4, "described_now": 3, "refused": 1, "items_changed": 5}
    styles = dict(ask(file, STYLES))
    assert set(styles) == {"dawn", "night", "abyss", "twin"}
    assert styles["night"] == styles["twin"] != styles["dawn"]
    assert {word for style in styles.values() for word in style.replace(",", "").split()} <= set(WORDS)
    run(file, ("embed",))
    assert dict(ask(file, TEXTS))["dawn"] == f"Film dawn, {styles['dawn']}"
    assert dict(ask(file, TEXTS))["bare"] == "Film bare,"
    assert describe_now(file) == {"pictures": 4, "described_now": 0, "refused": 1, "items_changed": 0}
    assert questions == [3]


def test_a_picture_that_is_refused_is_a_row_with_its_reason(file):
    (file.parent / "posters" / "abyss.png").write_text("no picture")
    assert describe_now(file)["refused"] == 2
    refused = "SELECT item_id, picture_sha256, reason FROM descriptions WHERE style IS NULL ORDER BY item_id"
    assert ask(file, refused) == [
        ("abyss", None, "no PNG, JPEG, WebP, GIF or AVIF"),
        ("lost", None, "not there"),
    ]


def test_a_new_picture_at_the_same_address_is_described_and_others_are_not(file, questions):
    describe_now(file)
    before = dict(ask(file, STYLES))
    paint(file.parent, "abyss", "orange")
    told = describe_now(file)
    assert (told["described_now"], told["items_changed"]) == (1, 1)
    paint(file.parent, "abyss", "black")
    assert describe_now(file)["described_now"] == 0
    assert dict(ask(file, STYLES)) == before
    assert questions == [3, 1]


def test_another_prompt_describes_everything_anew(file, questions):
    describe_now(file)
    write_settings(file.parent, SETTINGS.replace("max_new", 'prompt = "red warm cold"\nmax_new'))
    assert describe_now(file)["described_now"] == 3
    assert questions == [3, 3]


def test_what_was_described_before_a_kill_is_not_described_again(file, questions, monkeypatch):
    monkeypatch.setattr(command, "PICTURES_AT_ONCE", 1)
    whole = Describer.describe

    def be_killed_at_the_third(self, images):
        if len(questions) == 2:
            raise KeyboardInterrupt
        return whole(self, images)

    with monkeypatch.context() as patch:
        patch.setattr(Describer, "describe", be_killed_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            describe_now(file)
    assert len(ask(file, STYLES)) == 2
    assert describe_now(file)["described_now"] == 1
    assert len(ask(file, STYLES)) == 4
    assert questions == [1, 1, 1]


def test_a_style_that_the_blocklist_blocks_is_refused_until_it_is_blocked_no_more(file):
    describe_now(file)
    styles = dict(ask(file, STYLES))
    (file.parent / "blocked.txt").write_text(styles["dawn"])
    write_settings(file.parent, SETTINGS + '[safety]\nblocklist = "blocked.txt"\n')
    refused = [style for style in styles.values() if style == styles["dawn"]]
    assert describe_now(file)["refused"] == 1 + len(refused)
    assert (BLOCKED,) in ask(file, "SELECT reason FROM descriptions WHERE item_id = 'dawn'")
    run(file, ("embed",))
    assert dict(ask(file, TEXTS))["dawn"] == "Film dawn,"
    write_settings(file.parent, SETTINGS)
    describe_now(file)
    run(file, ("embed",))
    assert dict(ask(file, TEXTS))["dawn"] == f"Film dawn, {styles['dawn']}"


def test_only_who_met_a_film_that_looks_otherwise_is_drawn_anew(file, tiny_model):
    with use_variables(tiny_model):
        describe_now(file)
        run(file)
        before = dict(ask(file, "SELECT user_id, artwork_digest FROM artworks"))
        paint(file.parent, "dawn", "white")
        assert describe_now(file)["items_changed"] == 1
        run(file)
        after = dict(ask(file, "SELECT user_id, artwork_digest FROM artworks"))
    assert before["ann"] != after["ann"]
    assert before["bob"] == after["bob"]


def test_the_command_says_what_it_did_and_fails_where_it_could_do_nothing(file):
    told = CliRunner().invoke(app, ["describe", "--settings", str(file)])
    assert told.exit_code == 0
    assert "described: pictures 4, described now 3, refused 1, items changed 5" in told.output
    assert "  1 refused: not there" in told.output
    write_settings(file.parent, SETTINGS.replace('allowed = ["posters"]', ""))
    told = CliRunner().invoke(app, ["describe", "--settings", str(file)])
    assert told.exit_code == 3
    assert "  4 refused: in no place that pictures.allowed names" in told.output


def test_without_a_model_the_command_says_which_setting_names_one(file):
    write_settings(file.parent, SETTINGS.replace('model = "vlm"', ""))
    with pytest.raises(DescriberError, match=r"name the folder or hub id .* as describe\.model"):
        describe_now(file)


def test_a_second_one_at_the_same_time_stops(file):
    with (
        FileLock(file.parent / "workspace" / "describe.lock"),
        pytest.raises(DescribingInProgressError, match="another `fan describe` is running"),
    ):
        describe_now(file)
