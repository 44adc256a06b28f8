"""What every peer keeps to, whatever its method."""

import re
from pathlib import Path

import pytest

import evaluation.peers
from evaluation.testing.peer_contract import ANN, BOB, TARGET, PeerContract
from tests.evaluation.peers.peer_cases import make_artist, make_peers
from tests.fan_model.pipelines import stable_diffusion
from tests.marks import some_of

PEERS = make_peers()
PLAIN = [peer for peer in PEERS if peer.name in ("DrUM", "PMG (keywords only)", "mean of conditions")]
FOLDER = Path(evaluation.peers.__file__).parent
PAPERS = ("drum", "fabric", "pmg", "tailored_visions", "viper")


class TestEveryPeer(PeerContract):
    answers = "a rewritten red prompt, ink, fog"

    @pytest.fixture(params=some_of(PEERS, *PLAIN), ids=lambda peer: f"{peer.name} {PEERS.index(peer)}")
    def peer(self, request):
        return request.param

    def make_peer(self):
        raise AssertionError("the fixture makes them")

    def make_pipeline(self):
        return stable_diffusion()

    def test_a_language_model_is_shown_the_users_own_texts_alone(self, artist, peer):
        if not peer.calls_per_target:
            pytest.skip("no language model")
        peer.rewriter.asked.clear()
        peer.plan(self.anns(artist))
        (asked,) = peer.rewriter.asked
        assert any(text in asked for text in ANN)
        assert not any(text in asked for text in BOB)

    def test_words_that_nobody_said_come_from_an_answer_only(self, artist, peer):
        request = peer.plan(self.anns(artist))
        said = set(re.findall("[a-z]+", " ".join([request.prompt, *request.liked, *request.disliked])))
        own = set(re.findall("[a-z]+", " ".join([TARGET, *ANN])))
        assert said <= own or "echo" in peer.name


@pytest.mark.whole
class TestTheFirstPeerWithTheBundledModel(PeerContract):
    def make_peer(self):
        return make_peers()[4]


class Forgetful(type(PEERS[8])):
    """A method that draws everybody's picture from the first user's likings."""

    def condition(self, image_model, requests):
        return super().condition(image_model, [requests[0]] * len(requests))


def test_the_contract_sees_a_method_that_mixes_users_up():
    class Mixed(PeerContract):
        def make_peer(self):
            return Forgetful(0.5)

        def make_pipeline(self):
            return stable_diffusion()

    contract, artist = Mixed(), make_artist()
    with pytest.raises(AssertionError, match="Arrays are not equal"):
        contract.test_a_picture_is_the_same_whoever_it_is_drawn_together_with(artist, contract.make_peer())


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
