"""What every method promises that an evaluation compares with, whatever it does.

A test class inherits `PeerContract`, says how its method is made, and gets all these tests. They draw with
the bundled model, in two steps, unless the class names another pipeline. Needs pytest
(`pip install fan-artwork[testing]`).
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from diffusers import DDIMScheduler, DiffusionPipeline
from numpy.typing import NDArray

from evaluation.peers.peer import Peer, PeerCase
from evaluation.peers.shared_image_model import SharedImageModel
from fan_model import Artist, ArtworkRequest, DrawingOptions, Personalizer
from fan_model.bundled import PIPELINE_FOLDER

ANN = ("ox, red ink", "elk, red oil", "fox, blue ink", "cat, red fog")
BOB = ("owl, gold dust", "bat, gold wood", "bee, dark wood", "cod, gold sun")
"""What two users like, the latest first; they share no word."""
TARGET, OTHER_TARGET = "a dog", "a house"
WORD = re.compile(r"[a-z]+")
Pixels = NDArray[np.int16]


class CountedSteps(DDIMScheduler):
    """A scheduler that notes how many steps each drawing was told to take."""

    asked: list[int | None] = []

    def set_timesteps(self, num_inference_steps: int | None = None, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Note them, and do as every scheduler does."""
        self.asked.append(num_inference_steps)
        super().set_timesteps(num_inference_steps, *args, **kwargs)


def make_case(
    artist: Artist,
    prompt: str = TARGET,
    texts: Sequence[str] = ANN,
    weights: Sequence[float] | None = None,
    disliked: Sequence[str] = (),
    seed: int = 3,
) -> PeerCase:
    """A picture that is wanted, with the vectors that the model gives its texts."""
    vectors = artist.encode_texts([prompt, *texts])
    return PeerCase(
        prompt=prompt,
        seed=seed,
        texts=tuple(texts),
        weights=np.arange(len(texts), 0, -1.0) if weights is None else np.array(weights, float),
        target=vectors[:1],
        vectors=vectors[1:],
        disliked=tuple(disliked),
    )


class PeerContract(ABC):
    """For any `Peer`."""

    options = DrawingOptions(num_inference_steps=2, guidance_scale=4, num_references=None)
    """Of all drawings."""
    answers: str = ""
    """All that the method's language model answers in these tests, if it has one."""

    @abstractmethod
    def make_peer(self) -> Peer:
        """The method."""

    def make_pipeline(self) -> DiffusionPipeline:
        """What draws: the bundled model."""
        return DiffusionPipeline.from_pretrained(PIPELINE_FOLDER, local_files_only=True)

    @pytest.fixture(scope="class")
    def artist(self) -> Artist:
        """The model of all tests but those that change it."""
        return open_artist(self.make_pipeline())

    @pytest.fixture
    def peer(self) -> Peer:
        """What is tried."""
        return self.make_peer()

    def draw(self, artist: Artist, peer: Peer, *cases: PeerCase, **changes: Any) -> list[Pixels]:  # noqa: ANN401
        """The pixels of each picture."""
        options = DrawingOptions(**{**vars(self.options), **changes})
        pictures = peer.draw(SharedImageModel(artist, options), [peer.plan(case) for case in cases])
        return [np.asarray(picture, np.int16) for picture in pictures]

    def anns(self, artist: Artist, **changes: Any) -> PeerCase:  # noqa: ANN401
        """A picture for the first user."""
        return make_case(artist, **({"disliked": ANN[3:]} | changes))

    def bobs(self, artist: Artist, **changes: Any) -> PeerCase:  # noqa: ANN401
        """A picture of something else, for the second user."""
        return make_case(artist, **({"texts": BOB, "prompt": OTHER_TARGET, "disliked": BOB[2:3]} | changes))

    def plain(self, artist: Artist) -> Pixels:
        """The first user's picture without any history."""
        request = ArtworkRequest(prompt=TARGET, seed=3)
        (picture,) = artist.personalizer.paint([request], self.options)
        return np.asarray(picture, np.int16)

    def test_a_history_changes_the_picture(self, artist: Artist, peer: Peer) -> None:
        (personal,) = self.draw(artist, peer, self.anns(artist))
        assert (personal != self.plain(artist)).any()

    def test_without_a_history_the_picture_is_the_plain_one(self, artist: Artist, peer: Peer) -> None:
        (drawn,) = self.draw(artist, peer, self.anns(artist, texts=()))
        np.testing.assert_array_equal(drawn, self.plain(artist))

    def test_without_a_history_there_is_nothing_but_the_prompt(self, artist: Artist, peer: Peer) -> None:
        request = peer.plan(self.anns(artist, texts=()))
        assert (request.prompt, request.seed, request.is_plain) == (TARGET, 3, True)

    def test_a_picture_is_the_same_whoever_it_is_drawn_together_with(
        self, artist: Artist, peer: Peer
    ) -> None:
        alone, *_ = self.draw(artist, peer, self.anns(artist))
        first, *_ = self.draw(artist, peer, self.anns(artist), self.bobs(artist))
        *_, last = self.draw(artist, peer, self.bobs(artist), self.bobs(artist, seed=8), self.anns(artist))
        np.testing.assert_array_equal(first, alone)
        np.testing.assert_array_equal(last, alone)

    def test_a_request_has_no_word_that_is_not_the_users_own_or_an_answer(
        self, artist: Artist, peer: Peer
    ) -> None:
        request = peer.plan(self.anns(artist))
        said = set(WORD.findall(" ".join([request.prompt, *request.liked, *request.disliked])))
        assert said <= set(WORD.findall(" ".join([TARGET, *ANN, self.answers])))

    def test_the_seed_alone_decides_the_noise(self, artist: Artist, peer: Peer) -> None:
        one, again, another = self.draw(
            artist, peer, self.anns(artist), self.anns(artist), self.anns(artist, seed=4)
        )
        np.testing.assert_array_equal(one, again)
        assert (one != another).any()

    def test_every_drawing_takes_the_studys_steps(self, peer: Peer) -> None:
        pipeline = self.make_pipeline()
        pipeline.scheduler = CountedSteps.from_config(pipeline.scheduler.config)
        artist = open_artist(pipeline)
        CountedSteps.asked.clear()
        peer.forget()
        self.draw(artist, peer, self.anns(artist), num_inference_steps=3)
        peer.forget()
        assert set(CountedSteps.asked) == {3}

    def test_the_image_model_is_left_as_it_was(self, artist: Artist, peer: Peer) -> None:
        before = self.plain(artist)
        self.draw(artist, peer, self.anns(artist))
        np.testing.assert_array_equal(self.plain(artist), before)

    def test_it_draws_without_guidance(self, artist: Artist, peer: Peer) -> None:
        (drawn,) = self.draw(artist, peer, self.anns(artist), guidance_scale=1)
        assert drawn.std() > 0

    def test_its_pictures_depend_on_what_its_recipe_says(self, peer: Peer) -> None:
        assert peer.recipe
        assert "object at" not in peer.recipe


def open_artist(pipeline: DiffusionPipeline) -> Artist:
    """Let a pipeline draw, four pictures at a time."""
    pipeline.set_progress_bar_config(disable=True)
    painter = Personalizer(pipeline, batch_size=4)
    return Artist([painter], encoder_fingerprint="encoder", pipeline_fingerprint="pipeline")
