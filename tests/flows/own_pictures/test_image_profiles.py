"""Which pictures an artwork is drawn from: its item's own, and those of its own profile that can be read."""

import hashlib

import pytest

from fan_model.drawing.artist import Artist
from fan_model.request_errors import RequestError
from feature_store.tables.artworks import PictureName, StalePicture
from feature_store.tables.item_pictures.reference_pictures import CrowdPicture
from flows.image_settings import Images
from flows.own_pictures.image_profiles import ImageProfiles
from flows.settings import Settings
from recsys_adapters.pictures.picture_rules import PictureRules
from tests.fan_model import image_pipelines, pipelines


@pytest.fixture(scope="module")
def unclip(tmp_path_factory):
    """An artist who must have a picture."""
    folder = tmp_path_factory.mktemp("unclip")
    image_pipelines.unclip().save_pretrained(folder)
    return Artist.load(folder)


@pytest.fixture
def look(tmp_path):
    """Make the profiles of some settings of pictures, whose files lie in the test's folder."""
    for seed, name in enumerate(("goal", "one", "two", "crowd")):
        image_pipelines.picture(seed).save(tmp_path / f"{name}.png")

    def make(artist, crowd=(), **images):
        settings = Settings(
            workspace=tmp_path / "workspace",
            sources=[{"adapter": "movielens", "path": "logs"}],
            pictures=PictureRules(allowed=(str(tmp_path),)),
            images=Images(**({"references": "images", "method": "attention"} | images)),
        )
        return ImageProfiles(settings, artist, crowd)

    return make


def name_of(folder, name):
    return PictureName(
        uri=f"{name}.png", sha256=hashlib.sha256((folder / f"{name}.png").read_bytes()).hexdigest()
    )


def pair_of(folder, *names, weights, own="goal"):
    """A picture that is wanted, with references that have pictures, or None."""
    target = name_of(folder, own) if own else PictureName(uri=None, sha256=None)
    return StalePicture(
        user_key=1,
        item_id="goal",
        target_id=1,
        target_text="Goal",
        tokens_cut=0,
        profile_digest="p",
        references=[str(name) for name in names],
        weights=list(weights),
        stock_image_uri=target.uri,
        own_sha256=target.sha256,
        pictures=[
            name_of(folder, name) if name else PictureName(uri="lost.png", sha256=None) for name in names
        ],
    )


def test_references_with_pictures_act_with_their_weights_and_others_do_not(look, unclip, tmp_path):
    profile = look(unclip).find(pair_of(tmp_path, "one", None, "two", weights=(3.0, 9.0, 1.0)))
    assert profile.target.digest == name_of(tmp_path, "goal").sha256
    assert [one.digest for one in profile.references] == [name_of(tmp_path, n).sha256 for n in ("one", "two")]
    assert profile.weights == (3.0, 1.0)
    assert profile.crowd == ()
    assert all(one.image for one in profile.references)


def test_the_crowds_pictures_are_there_to_be_contrasted_with(look, unclip, tmp_path):
    named = name_of(tmp_path, "crowd")
    crowd = [CrowdPicture(sha256=str(named.sha256), uri=str(named.uri), weight=0.5)]
    profile = look(unclip, crowd, contrast=1.0).find(pair_of(tmp_path, "one", weights=(1.0,)))
    assert [one.digest for one in profile.crowd] == [named.sha256]
    assert profile.crowd_weights == (0.5,)


def test_what_has_no_reference_or_no_share_is_the_items_own_picture_alone(look, unclip, tmp_path):
    pair = pair_of(tmp_path, "one", weights=(1.0,))
    of_share_0 = look(unclip, references="both", share=0.0).find(pair)
    assert of_share_0.references == ()
    assert of_share_0.describe() == look(unclip).find_plain(pair).describe()
    assert look(unclip).find(pair_of(tmp_path, None, weights=(1.0,))).references == ()


def test_with_texts_no_picture_is_looked_for(look, unclip, tmp_path):
    pair = pair_of(tmp_path, "one", weights=(1.0,), own=None)
    assert look(unclip, references="texts").find(pair) is None


def test_an_item_without_a_picture_is_drawn_from_texts_unless_the_model_must_have_one(
    look, unclip, tmp_path, tmp_path_factory
):
    pair = pair_of(tmp_path, "one", weights=(1.0,), own=None)
    with pytest.raises(RequestError, match="the item has no picture that can be read, and the model draws"):
        look(unclip).find(pair)
    folder = tmp_path_factory.mktemp("plain")
    pipelines.stable_diffusion().save_pretrained(folder)
    assert look(Artist.load(folder)).find(pair) is None


@pytest.mark.parametrize("change", ["other", "lost"])
def test_a_file_that_is_not_what_the_night_saw_is_not_drawn_from(look, unclip, tmp_path, change):
    pair = pair_of(tmp_path, "one", weights=(1.0,))
    if change == "other":
        image_pipelines.picture(9).save(tmp_path / "one.png")
    else:
        (tmp_path / "one.png").unlink()
    with pytest.raises(RequestError, match="a picture that the night saw is another by now, or cannot be"):
        look(unclip).find(pair)
