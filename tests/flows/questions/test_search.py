"""Retrieval and pictures on request, in the taste of users of a night's log."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from feature_store.history.tastes import UnknownUserError, read_taste
from feature_store.vectors.feature_index import FeatureIndex
from flows.commands.draw import draw
from flows.questions.search import SearchError, search
from flows.questions.search_by_image import search_by_image
from flows.settings import read_settings
from flows.workspace import open_lake
from tests.fan_model.sigmoid_models import save_model
from tests.flows.nights import CONTRASTED, NIGHT, run, sample_ratings, write_movielens, write_settings

pytestmark = pytest.mark.whole

QUERY = "a western film poster"


@pytest.fixture(scope="module")
def model(bundled_model):
    """Whose text encoder knows genres."""
    return bundled_model


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Settings of a log that was ingested and embedded."""
    folder = tmp_path_factory.mktemp("search")
    write_movielens(folder / "logs", sample_ratings())
    settings_file = write_settings(folder, NIGHT)
    run(settings_file, ("ingest", "embed"))
    return read_settings(settings_file)


def test_a_plain_query_finds_an_item_of_its_genre_first(settings):
    hits = search(settings, "1", QUERY, num_hits=3, alpha=0.0)
    lake = open_lake(settings, read_only=True)
    genres = {
        row["item_id"]: row["genres"]
        for row in lake.query("SELECT item_id, fields->>'genres' AS genres FROM items").to_pylist()
    }
    assert genres[hits[0].item_id] == "western"
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def by(settings, method):
    return settings.model_copy(update={"search": settings.search.model_copy(update={"method": method})})


@pytest.mark.parametrize("user", ["1", "2", "3"])
def test_a_search_as_shipped_finds_what_was_asked_for(settings, user):
    hits = search(settings, user, QUERY, num_hits=3)
    assert [hit.item_id for hit in hits] != []
    rows = (
        open_lake(settings, read_only=True)
        .query("SELECT item_id, fields->>'genres' AS genres FROM items")
        .to_pylist()
    )
    genres = {row["item_id"]: row["genres"] for row in rows}
    assert genres[hits[0].item_id] == "western"


@pytest.mark.parametrize("method", ["mean", "attention"])
def test_users_of_different_taste_get_different_answers(settings, method):
    settings = by(settings, method)
    answers = {user: search(settings, user, QUERY, num_hits=24, alpha=0.9) for user in ("1", "2", "3")}
    assert len({tuple(hit.item_id for hit in hits) for hits in answers.values()}) > 1
    assert all(len(hits) == 24 for hits in answers.values())


def test_a_search_encodes_the_catalogue_once(settings, capsys):
    search(settings, "1", QUERY, num_hits=1)
    capsys.readouterr()
    search(settings, "2", QUERY, num_hits=1)
    assert "index" not in capsys.readouterr().err


def test_an_unknown_user_is_named(settings):
    with pytest.raises(UnknownUserError, match="user nobody is unknown"):
        search(settings, "nobody", QUERY, num_hits=1)


def test_a_folder_without_a_clip_is_named(settings, tmp_path):
    elsewhere = settings.model_copy(
        update={"search": settings.search.model_copy(update={"clip": str(tmp_path)})}
    )
    with pytest.raises(SearchError, match=r"no CLIP \(model.safetensors\)"):
        search(elsewhere, "1", QUERY, num_hits=1)


def test_another_encoders_index_or_a_damaged_one_is_made_anew(tmp_path):
    index = FeatureIndex(tmp_path, encoder_fingerprint="one", width=2)
    index.add(np.array([7, 9]), np.eye(2, dtype=np.float32))
    index.save()
    assert FeatureIndex(tmp_path, encoder_fingerprint="one", width=2).search(np.eye(2)[:1], 1)[
        1
    ].tolist() == [[7]]
    assert len(FeatureIndex(tmp_path, encoder_fingerprint="other", width=2)) == 0
    (tmp_path / "features.faiss").write_bytes(b"damaged")
    assert len(FeatureIndex(tmp_path, encoder_fingerprint="one", width=2)) == 0


def test_a_picture_is_drawn_on_request(settings):
    drawn = draw(settings, QUERY, ["1", "2"], style="neon pixel art poster", style_share=0.3)
    assert Image.open(io.BytesIO(drawn.image)).size == (128, 128)
    lake = open_lake(settings, read_only=True)
    histories = [{liked.text for liked in read_taste(lake, user)} for user in ("1", "2")]
    kept = sum(settings.profile.num_references(len(history)) for history in histories)
    assert "neon pixel art poster" in drawn.references
    assert set(drawn.references) <= set.union(*histories, {"neon pixel art poster"})
    assert len(drawn.references) <= kept + 1
    plain = draw(settings, QUERY, [], style=None, style_share=0.0)
    assert plain.references == ()
    assert plain.image != drawn.image


@pytest.fixture(scope="module")
def sigmoid_folder(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("siglip"), "siglip")


@pytest.fixture(scope="module")
def contrasted(tmp_path_factory):
    """Settings of a log whose night chose a crowd."""
    folder = tmp_path_factory.mktemp("contrasted")
    write_movielens(folder / "logs", sample_ratings())
    settings_file = write_settings(folder, CONTRASTED)
    run(settings_file, ("ingest", "embed", "profile"))
    return read_settings(settings_file)


@pytest.mark.parametrize("method", ["mean", "attention", "contrast"])
@pytest.mark.parametrize("clip", ["bundled", "siglip"])
def test_any_model_searches_in_a_taste_by_any_method(contrasted, sigmoid_folder, method, clip):
    folder = "bundled" if clip == "bundled" else str(sigmoid_folder)
    chosen = contrasted.search.model_copy(update={"method": method, "clip": folder})
    whole = replace(contrasted.profile, fraction=1.0, distinctive=False)
    settings = contrasted.model_copy(update={"search": chosen, "profile": whole})
    scores = {
        (user, alpha): [hit.score for hit in search(settings, user, QUERY, num_hits=24, alpha=alpha)]
        for user in ("1", "2")
        for alpha in (0.0, 0.9)
    }
    assert scores["1", 0.0] == pytest.approx(scores["2", 0.0], abs=1e-6)
    assert scores["1", 0.9] != pytest.approx(scores["1", 0.0], abs=1e-4)
    assert scores["1", 0.9] != pytest.approx(scores["2", 0.9], abs=1e-5)


def test_without_a_crowd_nothing_is_contrasted_and_the_error_says_what_to_do(settings, tmp_path):
    with pytest.raises(SearchError, match="no night has chosen a crowd to contrast with: run `fan nightly`"):
        search(by(settings, "contrast"), "1", QUERY, num_hits=1)
    with pytest.raises(SearchError, match="no crowd of images is known"):
        search_by_image(by(settings, "contrast"), "1", tmp_path / "a.png", num_hits=1)
