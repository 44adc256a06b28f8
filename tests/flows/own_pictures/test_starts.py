"""Nights whose pictures begin as their items' own posters."""

import pytest

from fan_model.request_errors import RequestError
from flows.keeping.verification import verify_pictures
from flows.own_pictures.looking import NO_PICTURE
from flows.own_pictures.starts import OwnPictures, check_can_start
from flows.settings import read_settings
from tests.fan_model.pipelines import stable_diffusion_3
from tests.flows.nights import ask, run, use_variables, write_settings
from tests.flows.poster_shop import SOURCES, paint, write_items, write_likes

pytestmark = pytest.mark.whole

SETTINGS = (
    """
bucket_users = 2
[pictures]
allowed = ["posters"]
[texts]
reference_template = "{title}"
target_template = "{title} poster"
[drawing]
num_inference_steps = 4
"""
    + SOURCES
)
STARTED = SETTINGS + "[start]\nstrength = 0.5\n"
TARGETS = {"ann": "dawn", "bob": "dusk", "cid": "lost", "dan": "bare"}
DIGESTS = "SELECT user_id, artwork_digest FROM artworks ORDER BY user_id"
SEEN = "SELECT item_id, picture_sha256 IS NOT NULL, reason FROM start_pictures ORDER BY item_id"


@pytest.fixture
def folder(tmp_path, tiny_model):
    """Four users, each with an item of their own as target; one poster is lost, one item has none."""
    (tmp_path / "posters").mkdir()
    paint(tmp_path, "dawn", "salmon")
    paint(tmp_path, "dusk", "navy")
    pictures = {name: "" if name == "bare" else f"{name}.png" for name in TARGETS.values()}
    write_items(tmp_path, {"old": ""} | pictures)
    pairs = [(user, [("old", 1_700_000_001), (item, 1_700_000_002)]) for user, item in TARGETS.items()]
    write_likes(tmp_path, [(user, *like) for user, likes in pairs for like in likes])
    with use_variables(tiny_model):
        yield tmp_path


def night(folder, settings=STARTED):
    """A night; return its row, and the digest of each user's picture."""
    file = write_settings(folder, settings)
    ended = run(file)
    return ended, dict(ask(file, DIGESTS))


def test_pictures_begin_as_their_items_own_and_what_is_refused_is_said(folder):
    _, alone = night(folder, SETTINGS)
    ended, started = night(folder)
    assert [user for user in TARGETS if alone[user] != started[user]] == ["ann", "bob"]
    file = folder / "fan.toml"
    assert ask(file, SEEN) == [
        ("bare", False, NO_PICTURE),
        ("dawn", True, None),
        ("dusk", True, None),
        ("lost", False, "not there"),
    ]
    ((message,),) = ask(file, "SELECT message FROM notes WHERE source = 'generate'")
    assert message.startswith("2 of the pictures of 4 items cannot be begun with; their artworks are drawn")
    assert "1 not there" in message
    assert ask(file, "SELECT DISTINCT status FROM artworks") != [("failed",)]
    assert ended.counts["generate"]["generated"] == 2


def test_only_the_picture_of_a_changed_poster_is_drawn_anew(folder):
    _, before = night(folder)
    paint(folder, "dusk", "olive")
    ended, after = night(folder)
    assert [user for user in TARGETS if before[user] != after[user]] == ["bob"]
    assert ended.counts["generate"]["generated"] == 1
    unchanged, _ = night(folder)
    assert unchanged.counts["generate"].get("generated", 0) == 0
    assert len(verify_pictures(read_settings(folder / "fan.toml"), 4)) == 4


def test_another_strength_is_another_picture_and_without_it_all_is_as_before(folder):
    _, alone = night(folder, SETTINGS)
    _, half = night(folder)
    _, more = night(folder, STARTED.replace("0.5", "0.75"))
    assert [user for user in TARGETS if half[user] != more[user]] == ["ann", "bob"]
    assert night(folder, SETTINGS)[1] == alone


def test_a_poster_that_is_found_later_is_begun_with(folder):
    _, before = night(folder)
    paint(folder, "lost", "white")
    _, after = night(folder)
    assert [user for user in TARGETS if before[user] != after[user]] == ["cid"]


def test_a_machine_that_draws_and_cannot_read_the_picture_fails_that_pair_with_the_reason(
    folder, monkeypatch
):
    monkeypatch.setattr(OwnPictures, "_read", lambda self, uri: None)
    _, _ = night(folder)
    failed = ask(
        folder / "fan.toml", "SELECT user_id, reason FROM artworks WHERE status = 'failed' ORDER BY ALL"
    )
    assert [user for user, _ in failed] == ["ann", "bob"]
    assert all("let it reach what pictures.allowed names" in reason for _, reason in failed)


def test_a_model_or_strength_that_cannot_begin_with_a_picture_stops_before_anything_is_drawn(
    folder, tmp_path
):
    with pytest.raises(RequestError, match=r"strength must be at least 0\.25"):
        night(folder, STARTED.replace("0.5", "0.1"))
    stable_diffusion_3().save_pretrained(tmp_path / "sd3")
    from fan_model.drawing.artist import Artist

    with pytest.raises(RequestError, match="StableDiffusion3Pipeline cannot begin with a picture"):
        check_can_start(read_settings(write_settings(folder, STARTED)), Artist.load(tmp_path / "sd3"))
