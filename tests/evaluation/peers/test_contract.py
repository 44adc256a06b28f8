"""What every peer keeps to, whatever its method."""

import re
from pathlib import Path

import numpy as np
import pytest

import evaluation.peers
from fan_model.drawing.requests import ArtworkRequest
from tests.evaluation.peers.peer_cases import (
    ANN,
    BOB,
    OPTIONS,
    CountedSteps,
    make_artist,
    make_case,
    make_easel,
    make_peers,
)
from tests.fan_model.pipelines import stable_diffusion

PEERS = make_peers()
FOLDER = Path(evaluation.peers.__file__).parent
PAPERS = ("drum", "fabric", "pmg", "tailored_visions", "viper")
WORD = re.compile(r"[a-z]+")


@pytest.fixture(scope="module")
def artist():
    return make_artist()


@pytest.fixture(params=PEERS, ids=lambda peer: f"{peer.name} {PEERS.index(peer)}")
def peer(request):
    return request.param


@pytest.fixture
def draw(artist, peer):
    """Draw cases; return the pixels of each picture."""

    def draw(*cases, **options):
        easel = make_easel(artist, **options)
        return [np.asarray(picture) for picture in peer.draw(easel, [peer.plan(case) for case in cases])]

    return draw


def anns(artist, **changes):
    return make_case(artist, **({"disliked": ANN[3:]} | changes))


def bobs(artist, **changes):
    return make_case(artist, **({"texts": BOB, "prompt": "a house", "disliked": BOB[2:3]} | changes))


def test_a_history_changes_the_picture(artist, draw):
    personal, plain = draw(anns(artist), anns(artist, texts=(), disliked=()))
    assert (personal != plain).any()


def test_without_a_history_the_picture_is_the_plain_one(artist, draw):
    (plain,) = artist.personalizer.paint([ArtworkRequest(prompt="a dog", seed=3)], OPTIONS)
    np.testing.assert_array_equal(draw(anns(artist, texts=()))[0], np.asarray(plain))


def test_without_a_history_there_is_nothing_but_the_prompt(artist, peer):
    request = peer.plan(anns(artist, texts=()))
    assert (request.prompt, request.seed, request.is_plain) == ("a dog", 3, True)


def test_a_picture_is_the_same_whoever_it_is_drawn_together_with(artist, draw):
    alone, *_ = draw(anns(artist))
    first, *_ = draw(anns(artist), bobs(artist))
    *_, last = draw(bobs(artist), bobs(artist, seed=8), anns(artist))
    np.testing.assert_array_equal(first, alone)
    np.testing.assert_array_equal(last, alone)


def test_a_request_has_no_word_that_is_not_the_users_own_or_an_answer(artist, peer):
    request = peer.plan(anns(artist))
    said = set(WORD.findall(" ".join([request.prompt, *request.liked, *request.disliked])))
    answered = "a rewritten red prompt, ink, fog" if "echo" in peer.name else ""
    assert said <= set(WORD.findall(" ".join(["a dog", *ANN, answered])))


def test_a_language_model_is_shown_the_users_own_texts_alone(artist, peer):
    if not peer.calls_per_target:
        pytest.skip("no language model")
    peer.rewriter.asked.clear()
    peer.plan(anns(artist))
    (asked,) = peer.rewriter.asked
    assert any(text in asked for text in ANN)
    assert not any(text in asked for text in BOB)


def test_the_seed_alone_decides_the_noise(artist, draw):
    one, again, another = draw(anns(artist), anns(artist), anns(artist, seed=4))
    np.testing.assert_array_equal(one, again)
    assert (one != another).any()


@pytest.mark.whole
def test_every_drawing_takes_the_studys_steps(peer):
    pipeline = stable_diffusion()
    pipeline.scheduler = CountedSteps.from_config(pipeline.scheduler.config)
    artist = make_artist(pipeline)
    CountedSteps.asked.clear()
    peer.forget()
    peer.draw(make_easel(artist, num_inference_steps=3), [peer.plan(anns(artist))])
    peer.forget()
    assert set(CountedSteps.asked) == {3}


@pytest.mark.whole
def test_the_image_model_is_left_as_it_was(artist, draw):
    request = [ArtworkRequest(prompt="a dog", seed=3)]
    before = np.asarray(next(artist.personalizer.paint(request, OPTIONS)))
    draw(anns(artist))
    np.testing.assert_array_equal(np.asarray(next(artist.personalizer.paint(request, OPTIONS))), before)


@pytest.mark.whole
def test_it_draws_without_guidance(artist, draw):
    assert draw(anns(artist), guidance_scale=1)[0].std() > 0


def test_its_pictures_depend_on_what_its_recipe_says(peer):
    assert peer.recipe
    assert "object at" not in peer.recipe


def test_names_are_all_different():
    names = [peer.name for peer in make_peers()]
    # The two ways of retrieval share one.
    assert len(set(names)) == len(names) - 1


@pytest.mark.parametrize("name", PAPERS)
def test_a_peers_file_names_its_source_and_what_was_left_out(name):
    text = (FOLDER / f"{name}.py").read_text()
    assert "\nSource: " in text
    assert "Left out: " in text


def test_no_file_of_a_peer_is_long():
    assert [file.name for file in FOLDER.glob("*.py") if len(file.read_text().splitlines()) > 200] == []
