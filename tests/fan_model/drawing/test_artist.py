"""The artist: one picture, whatever the batch and however many cores the machine has."""

from dataclasses import replace

import pytest
import torch

from fan_model.bundled import PIPELINE_FOLDER
from fan_model.drawing.artist import Artist
from fan_model.drawing.personalizer import Personalizer
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions
from fan_model.loading.execution import Execution
from tests.fan_model.pipelines import stable_diffusion

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


@pytest.mark.parametrize(("batch_size", "is_remembered"), [("auto", True), (4, False)])
def test_only_a_size_that_was_found_out_is_remembered(tmp_path, batch_size, is_remembered):
    memory = tmp_path / "sizes.json"
    artist = Artist.load(PIPELINE_FOLDER, execution=Execution(batch_size=batch_size), memory=memory)
    artist.personalizer.renderer.batch_size.halve(artist.batch_size)
    assert memory.exists() == is_remembered


@pytest.mark.parametrize("references", [("sea", "forbidden"), ("forbidden", "sea")])
def test_any_blocked_reference_flags_its_picture_alone(references):
    artist = Artist(
        [Personalizer(stable_diffusion())],
        encoder_fingerprint="e",
        pipeline_fingerprint="p",
        text_filter=lambda text: text == "forbidden",
    )
    requests = [ArtworkRequest(prompt="western", references=given) for given in (references, ("sea",))]
    assert [artist.is_blocked(request) for request in requests] == [True, False]
    assert [drawn.flagged for drawn in artist.draw(requests, OPTIONS)] == [True, False]
