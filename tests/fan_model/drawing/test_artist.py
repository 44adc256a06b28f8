"""The artist: one picture, whatever the batch and however many cores the machine has."""

from dataclasses import replace

import pytest
import torch

from fan_model.bundled import PIPELINE_FOLDER
from fan_model.drawing.artist import Artist
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions

OPTIONS = DrawingOptions(alpha=0.4, num_references=None, num_inference_steps=2, skip_layers=())
REQUESTS = [
    ArtworkRequest(prompt="western film poster", references=("romance film poster, pastel",), seed=seed)
    for seed in range(5)
]


@pytest.fixture(scope="module")
def artist():
    return Artist.load(PIPELINE_FOLDER)


@pytest.fixture(scope="module")
def together(artist):
    return [artwork.image for artwork in artist.draw(REQUESTS, OPTIONS)]


def test_a_picture_is_the_same_alone_and_among_many(artist):
    many = [replace(REQUESTS[0], seed=seed) for seed in range(9)]
    among = [artwork.image for artwork in artist.draw(many, OPTIONS)]
    assert [artist.draw([request], OPTIONS)[0].image for request in many[::4]] == among[::4]


@pytest.mark.whole
@pytest.mark.parametrize("num_threads", [1, 2, 3])
def test_a_picture_depends_neither_on_its_batch_nor_on_the_threads_of_the_process(
    artist, together, num_threads
):
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    try:
        alone = [artist.draw([request], OPTIONS)[0].image for request in REQUESTS[:2]]
        assert torch.get_num_threads() == num_threads
    finally:
        torch.set_num_threads(before)
    assert alone == together[:2]
