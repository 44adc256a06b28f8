"""Nights in which items' own pictures act, through an image encoder."""

import shutil
from datetime import timedelta

import numpy as np
import pytest
from PIL import Image

from fan_model.loading.execution import ExecutionError
from fan_model.request_errors import RequestError
from feature_store.upkeep.checks import LOOK_AGAIN
from flows.commands.doctor import examine
from flows.commands.forget import forget
from flows.commands.maintain import maintain
from flows.keeping.kept_files import kept_files
from flows.keeping.verification import verify_pictures
from flows.settings import read_settings
from flows.setup.check import check_images
from tests.fan_model import image_pipelines, pipelines
from tests.flows.nights import ask, run, use_variables, write_settings
from tests.flows.poster_shop import SOURCES, write_bomb, write_items, write_likes

pytestmark = pytest.mark.whole

TEXTS = (
    """
bucket_users = 2
[pictures]
allowed = ["posters"]
max_pixels = 10000
[texts]
reference_template = "{title}"
target_template = "{title} poster"
[drawing]
num_inference_steps = 2
"""
    + SOURCES
    + "cold_start = false\n"
)
ADAPTER = """[images]
path = "adapter/ip-adapter.safetensors"
encoder = "adapter/image_encoder"
"""
IMAGES = TEXTS + ADAPTER + 'references = "images"\n'
BOTH = TEXTS + ADAPTER + 'references = "both"\n'
LIKED = {"ann": "pastel", "bob": "noir", "cid": "bare"}
"""Three users, each of whom liked another item; their target is the same one."""
POSTERS = {"goal": "goal.png", "pastel": "pastel.png", "noir": "noir.png", "bare": ""}
DIGESTS = "SELECT user_id, artwork_digest FROM artworks ORDER BY user_id"
COUNTS = "SELECT user_id, num_references, num_images FROM artworks ORDER BY user_id"
SEEN = "SELECT item_id, picture_sha256 IS NOT NULL, reason FROM reference_pictures ORDER BY item_id"


@pytest.fixture(scope="module")
def adapter(tmp_path_factory):
    """The folder of an IP-Adapter that fits the tiny pipeline, and of its image encoder."""
    folder = tmp_path_factory.mktemp("adapter")
    image_pipelines.save_ip_adapter(folder, pipelines.stable_diffusion(num_tokens=77).unet)
    return folder


def open_shop(folder):
    """Three users with one target; what the third one liked has no picture."""
    (folder / "posters").mkdir()
    for seed, name in enumerate(("goal", "pastel", "noir")):
        paint(folder, name, seed)
    write_items(folder, POSTERS)
    likes = [(user, item, 1_700_000_001) for user, item in LIKED.items()]
    write_likes(folder, likes + [(user, "goal", 1_700_000_002) for user in LIKED])


def paint(folder, name, seed):
    image_pipelines.picture(seed).save(folder / "posters" / f"{name}.png")


@pytest.fixture(scope="module")
def shown(tmp_path_factory, model, adapter, _use_model):
    """The folder of a night in which pictures alone act, made once to be copied."""
    folder = tmp_path_factory.mktemp("shop") / "shown"
    folder.mkdir()
    shutil.copytree(adapter, folder / "adapter")
    open_shop(folder)
    run(write_settings(folder, IMAGES))
    return folder


@pytest.fixture
def folder(shown, tmp_path):
    """That night, which is the test's own."""
    shutil.copytree(shown, tmp_path, dirs_exist_ok=True)
    return tmp_path


def night(folder, settings=IMAGES):
    """A night; return its row, and the digest of each user's picture."""
    file = write_settings(folder, settings)
    return run(file), digests(folder)


def digests(folder):
    return dict(ask(folder / "fan.toml", DIGESTS))


def pixels(folder):
    """The picture of each user."""
    paths = ask(folder / "fan.toml", "SELECT user_id, image_path FROM artworks")
    return {user: np.asarray(Image.open(folder / "workspace" / path)) for user, path in paths}


def changed(before, after):
    return [user for user in LIKED if before[user] != after[user]]


def test_pictures_of_what_each_user_likes_act_and_a_second_night_draws_nothing(folder):
    file = folder / "fan.toml"
    assert ask(file, COUNTS) == [("ann", 0, 1), ("bob", 0, 1), ("cid", 0, 0)]
    before, drawn = digests(folder), pixels(folder)
    assert len(set(before.values())) == 3
    assert not np.array_equal(drawn["ann"], drawn["bob"])
    assert not np.array_equal(drawn["ann"], drawn["cid"])
    ended, after = night(folder)
    assert after == before
    assert ended.counts["generate"].get("generated", 0) == 0
    assert (
        ended.counts["embed"] | {"pictures": 3, "pictures_refused": 1, "pictures_embedded": 0}
        == (ended.counts["embed"])
    )


@pytest.mark.parametrize("is_manifest", [True, False], ids=["manifest", "vectors"])
def test_a_flipped_bit_of_what_was_seen_is_found_and_healed_as_the_doctor_says(is_manifest, folder):
    settings, before = read_settings(folder / "fan.toml"), digests(folder)
    assert broken(settings) == []
    kept = kept_files(settings.workspace, "reference_pictures/")
    path = next(path for path in kept if path.name.startswith("manifest") == is_manifest)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert {found.remedy for found in broken(settings)} == {LOOK_AGAIN}
    maintain(settings, keep=timedelta(0))
    assert night(folder)[1] == before
    assert broken(settings) == []


def broken(settings):
    return [found for found in examine(settings, is_deep=True) if found.num_offenders and found.is_broken]


def test_with_texts_only_everything_is_as_if_there_were_no_pictures(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    open_shop(other)
    _, plain = night(other, TEXTS)
    assert night(folder, TEXTS + ADAPTER)[1] == plain
    assert ask(other / "fan.toml", COUNTS) == [("ann", 1, 0), ("bob", 1, 0), ("cid", 1, 0)]
    assert "pictures" not in run(other / "fan.toml").counts["embed"]


def test_only_pictures_that_a_changed_poster_is_in_are_drawn_anew(folder):
    before = digests(folder)
    paint(folder, "noir", 7)
    ended, after = night(folder)
    assert changed(before, after) == ["bob"]
    assert ended.counts["embed"]["pictures_embedded"] == 1
    paint(folder, "goal", 8)
    _, last = night(folder)
    assert changed(after, last) == ["ann", "bob", "cid"]
    verified = verify_pictures(read_settings(folder / "fan.toml"), 3)
    assert [one.has_same_bytes for one in verified] == [True] * 3


def test_another_way_and_another_share_are_other_pictures(folder):
    _, both = night(folder, BOTH)
    assert ask(folder / "fan.toml", COUNTS) == [("ann", 1, 1), ("bob", 1, 1), ("cid", 1, 0)]
    for other in ("share = 0.8\n", 'method = "attention"\n'):
        _, drawn = night(folder, BOTH + other)
        assert changed(both, drawn) == ["ann", "bob"]
    ended, _ = night(folder, BOTH + 'method = "attention"\n')
    assert ended.counts["generate"].get("generated", 0) == 0


def test_what_everybody_likes_is_contrasted_with_by_its_pictures(folder):
    contrasted = IMAGES + "contrast = 1.0\n[crowd]\nsize = 4\nleast_users = 1\n"
    before, (_, after) = digests(folder), night(folder, contrasted)
    assert changed(before, after) == ["ann", "bob"]
    # Of a crowd of everything, this poster is in the pictures of all who have references with pictures.
    paint(folder, "noir", 9)
    _, last = night(folder, contrasted)
    assert changed(after, last) == ["ann", "bob"]


def test_what_cannot_be_read_is_refused_with_its_reason_and_the_night_goes_on(folder):
    before = digests(folder)
    posters = folder / "posters"
    (posters / "pastel.png").write_bytes(posters.joinpath("pastel.png").read_bytes()[:200])
    write_bomb(posters / "noir.png")
    write_items(folder, POSTERS | {"bare": "https://elsewhere.example/bare.png"})
    ended, after = night(folder)
    assert ended.status == "published"
    assert ask(folder / "fan.toml", SEEN) == [
        ("bare", False, "in no place that pictures.allowed names"),
        ("goal", True, None),
        ("noir", False, "of more pixels than pictures.max_pixels or pictures.max_side"),
        ("pastel", False, "broken or cut off"),
    ]
    assert after == dict.fromkeys(LIKED, before["cid"])
    ((message,),) = ask(
        folder / "fan.toml",
        f"SELECT message FROM notes WHERE source = 'embed' AND run_id = '{ended.run_id}'",
    )
    assert message.startswith("3 of the pictures of 4 items do not act as references: ")
    (posters / "goal.png").unlink()
    night(folder)
    assert ask(folder / "fan.toml", COUNTS) == [(user, 0, 0) for user in LIKED]


def test_without_a_place_to_read_from_no_picture_acts(folder):
    night(folder, IMAGES.replace('allowed = ["posters"]', "allowed = []"))
    assert {row[1] for row in ask(folder / "fan.toml", SEEN)} == {False}


def test_what_only_a_forgotten_user_liked_goes_with_what_the_encoder_saw_of_it(folder):
    settings = read_settings(folder / "fan.toml")
    assert maintain(settings, keep=timedelta(0))["picture_embeddings_deleted"] == 0
    assert forget(settings, "ann")["picture_embeddings"] == 1
    assert [row[0] for row in ask(folder / "fan.toml", SEEN)] == ["bare", "goal", "noir"]
    assert not [finding for finding in examine(settings) if finding.num_offenders and finding.is_broken]


def test_a_model_that_takes_no_pictures_is_refused_with_the_remedy(folder):
    with pytest.raises(RequestError, match="takes no pictures as it is: name its IP-Adapter as images.path"):
        night(folder, TEXTS + '[images]\nreferences = "images"\n')
    with pytest.raises(RequestError, match=r"start.strength must be unset where pictures act"):
        night(folder, IMAGES + "[start]\nstrength = 0.5\n")


@pytest.fixture(scope="module")
def unclip_model(registry, tmp_path_factory):
    """Variables of settings with a Stable unCLIP, which draws in batches."""
    place = tmp_path_factory.mktemp("unclip") / "pipeline"
    image_pipelines.unclip().save_pretrained(place)
    return {
        "FAN_MODEL__TRACKING_URI": registry,
        "FAN_MODEL__PIPELINE": str(place),
        "FAN_MODEL__NAME": "unclip",
    }


def save_kandinsky(folder):
    image_pipelines.kandinsky().save_pretrained(folder / "pipeline")
    image_pipelines.kandinsky_prior().save_pretrained(folder / "prior")
    return {"PATH": "prior"}


def save_redux(folder):
    pipelines.flux().save_pretrained(folder / "pipeline")
    image_pipelines.redux().save_pretrained(folder / "prior")
    return {"PATH": "prior"}


def save_adapter_plus(folder):
    pipeline = pipelines.stable_diffusion(num_tokens=77)
    pipeline.save_pretrained(folder / "pipeline")
    image_pipelines.save_ip_adapter(folder, pipeline.unet, plus=True)
    return {"PATH": "ip-adapter.safetensors", "ENCODER": "image_encoder"}


def save_unclip(folder):
    image_pipelines.unclip().save_pretrained(folder / "pipeline")
    return {}


@pytest.fixture
def family(request, registry, tmp_path):
    """Variables of settings with a family, and with what lets it look at pictures."""
    folder = tmp_path / "model"
    folder.mkdir()
    looking = request.param(folder)
    model = {"TRACKING_URI": registry, "PIPELINE": str(folder / "pipeline"), "NAME": request.param.__name__}
    return {f"FAN_MODEL__{key}": value for key, value in model.items()} | {
        f"FAN_IMAGES__{key}": str(folder / place) for key, place in looking.items()
    }


@pytest.mark.parametrize(
    ("family", "method"),
    [
        (save_unclip, "mean"),
        (save_unclip, "attention"),
        (save_kandinsky, "mean"),
        (save_kandinsky, "attention"),
        (save_redux, "mean"),
        (save_redux, "attention"),
        (save_adapter_plus, "mean"),
    ],
    indirect=["family"],
)
def test_two_users_whose_pictures_are_swapped_swap_what_is_drawn_to_the_last_bit(tmp_path, family, method):
    together = TEXTS.replace("bucket_users = 2", "bucket_users = 8")
    settings = together + f'[images]\nreferences = "images"\nmethod = "{method}"\n'
    drawn = []
    with use_variables(family):
        for name, seeds in (("one", (1, 2)), ("other", (2, 1))):
            shop = tmp_path / name
            shop.mkdir()
            open_shop(shop)
            for poster, seed in zip(("pastel", "noir"), seeds, strict=True):
                paint(shop, poster, seed)
            night(shop, settings)
            drawn.append(pixels(shop))
    one, other = drawn
    assert not np.array_equal(one["ann"], one["bob"])
    assert np.array_equal(one["ann"], other["bob"])
    assert np.array_equal(one["bob"], other["ann"])
    assert np.array_equal(one["cid"], other["cid"])


@pytest.mark.parametrize("family", [save_kandinsky], indirect=True)
def test_texts_are_refused_beside_pictures_where_nothing_reads_them(tmp_path, family):
    open_shop(tmp_path)
    settings = TEXTS + '[images]\nreferences = "both"\n'
    sentence = "images.references must be images: KandinskyV22Pipeline reads no texts"
    with use_variables(family):
        file = write_settings(tmp_path, settings)
        assert [problem.message for problem in check_images(read_settings(file))] == [sentence]
        with pytest.raises(ExecutionError, match=sentence):
            night(tmp_path, settings)


def test_a_model_that_must_have_a_picture_fails_the_pair_without_one(tmp_path, unclip_model):
    open_shop(tmp_path)
    (tmp_path / "posters" / "goal.png").unlink()
    with use_variables(unclip_model):
        night(tmp_path, TEXTS + '[images]\nreferences = "both"\n')
    rows = ask(tmp_path / "fan.toml", "SELECT DISTINCT status, reason FROM artworks")
    assert rows == [
        (
            "failed",
            "the item has no picture that can be read, and the model draws from one: reference_pictures "
            "says why",
        )
    ]
