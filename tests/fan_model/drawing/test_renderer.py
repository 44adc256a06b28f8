"""How many are drawn at a time: fewer where memory runs out, and the same pictures all the same."""

import pytest
import torch

from fan_model.drawing.artist import Artist, Artwork, ArtworkRequest, DrawingOptions
from fan_model.drawing.batch_sizes import BatchSize
from fan_model.drawing.personalizer import Personalizer
from fan_model.drawing.renderer import DeviceFullError
from feature_store.lake.stored_files import FolderFiles
from flows.stages.pictures import GENERATED, PictureFiles
from tests.fan_model.pipelines import stable_diffusion, stable_diffusion_xl

OPTIONS = DrawingOptions(num_inference_steps=1, guidance_scale=3.0, num_references=None)
REQUESTS = [ArtworkRequest(prompt=f"harbour {seed}", references=("neon",), seed=seed) for seed in range(8)]


class SmallDevice:
    """Lets an image model run out of memory with more than so many rows; a guided picture takes two."""

    def __init__(self, pipeline, most_rows, error=torch.OutOfMemoryError):
        self.most_rows, self.tried, self.error = most_rows, [], error
        self._forward, pipeline.unet.forward = pipeline.unet.forward, self.run

    def run(self, sample, *given, **options):
        self.tried.append(len(sample))
        if len(sample) > self.most_rows:
            raise self.error
        return self._forward(sample, *given, **options)


CUDA_IS_FULL = torch.OutOfMemoryError("CUDA out of memory")


def make(most_rows, batch_size=8, error=CUDA_IS_FULL):
    pipeline = stable_diffusion()
    artist = Artist(
        [Personalizer(pipeline, batch_size=batch_size)], encoder_fingerprint="e", pipeline_fingerprint="p"
    )
    return artist, SmallDevice(pipeline, most_rows, error)


@pytest.fixture(scope="module")
def unhindered():
    return [each.image for each in make(most_rows=16)[0].draw(REQUESTS, OPTIONS)]


@pytest.mark.whole
@pytest.mark.parametrize(("most_rows", "fitting"), [(16, 8), (8, 4), (15, 4), (4, 2)])
def test_a_batch_that_does_not_fit_is_halved_and_draws_the_same_pictures(most_rows, fitting, unhindered):
    artist, _ = make(most_rows)
    assert [each.image for each in artist.draw(REQUESTS, OPTIONS)] == unhindered
    assert artist.batch_size == fitting


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
    ],
)
def test_memory_runs_out_in_the_words_of_every_library(error, unhindered):
    artist, device = make(most_rows=8, error=error)
    assert [each.image for each in artist.draw(REQUESTS, OPTIONS)] == unhindered
    assert device.tried == [16, 8, 8]


def test_other_faults_are_not_taken_for_a_lack_of_memory():
    artist, _ = make(most_rows=8, error=RuntimeError("mat1 and mat2 must have the same dtype"))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        artist.draw(REQUESTS, OPTIONS)


@pytest.mark.whole
@pytest.mark.parametrize("make_pipeline", [stable_diffusion, stable_diffusion_xl])
def test_pictures_have_the_same_bytes_however_many_are_drawn_at_a_time(make_pipeline):
    pipeline = make_pipeline()

    def draw(batch_size):
        painter = Personalizer(pipeline, batch_size=batch_size)
        artist = Artist([painter], encoder_fingerprint="e", pipeline_fingerprint="p")
        return [each.image for each in artist.draw(REQUESTS, OPTIONS)]

    assert draw(1) == draw(2) == draw(3) == draw(5) == draw(8)


def test_a_size_that_was_found_is_kept_so_that_memory_runs_out_once():
    artist, device = make(most_rows=8)
    artist.draw(REQUESTS, OPTIONS)
    assert device.tried == [16, 8, 8]
    artist.draw(REQUESTS, OPTIONS)
    assert device.tried == [16, 8, 8, 8, 8]


def test_a_night_goes_on_with_halves(tmp_path):
    artist, _ = make(most_rows=8)
    pictures = PictureFiles(artist=artist, files=FolderFiles(tmp_path), folder="images", image_format="png")
    wanted = {pictures.digest(request, OPTIONS): request for request in REQUESTS}
    assert pictures.draw(wanted, OPTIONS) == dict.fromkeys(wanted, GENERATED)
    assert all(map(pictures.is_known, wanted))


def test_a_picture_that_does_not_fit_alone_fails_with_the_settings_to_change(tmp_path):
    artist, device = make(most_rows=2)
    drawn = artist.draw_each(REQUESTS[:3], OPTIONS)
    assert [type(each) for each in drawn] == [DeviceFullError] * 3
    pictures = PictureFiles(artist=artist, files=FolderFiles(tmp_path), folder="images", image_format="png")
    (outcome,) = pictures.draw({pictures.digest(REQUESTS[0], OPTIONS): REQUESTS[0]}, OPTIONS).values()
    assert (outcome.status, "set model.offload, model.vae_tiling or" in outcome.reason) == ("failed", True)
    device.most_rows = 16
    assert isinstance(artist.draw(REQUESTS[:1], OPTIONS)[0], Artwork)


def test_who_waits_is_refused_at_once_and_the_next_batch_is_smaller(unhindered):
    artist, device = make(most_rows=8)
    with pytest.raises(DeviceFullError, match="no memory for 8 pictures at a time: try again"):
        artist.draw_each(REQUESTS, OPTIONS, halves=False)
    assert device.tried == [16]
    assert [each.image for each in artist.draw_each(REQUESTS, OPTIONS, halves=False)] == unhindered


def test_texts_that_do_not_fit_together_are_encoded_in_halves(monkeypatch):
    artist, _ = make(most_rows=16)
    texts = [f"text {number}" for number in range(7)]
    whole = artist.encode_texts(texts).mean_unit_tokens
    conditioner = artist.personalizer.conditioner
    encode = conditioner.encode

    def run_out(texts):
        if len(texts) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return encode(texts)

    monkeypatch.setattr(conditioner, "encode", run_out)
    torch.testing.assert_close(
        torch.tensor(artist.encode_texts(texts).mean_unit_tokens), torch.tensor(whole), rtol=0, atol=1e-6
    )


def test_sizes_are_remembered_by_model_and_device_whatever_becomes_of_the_file(tmp_path):
    file = tmp_path / "workspace" / "sizes.json"
    one = BatchSize(16, file, "model on card")
    one.halve(16)
    one.halve(16)
    assert (one.size, BatchSize(16, file, "model on card").size) == (8, 8)
    assert BatchSize(4, file, "model on card").size == 4
    assert BatchSize(16, file, "model on another card").size == 16
    BatchSize(16, file, "model on another card").halve(3)
    assert BatchSize(16, file, "model on card").size == 8
    assert BatchSize(16, file, "model on another card").size == 1
    file.write_text("no json")
    assert BatchSize(16, file, "model on card").size == 16
    one.halve(1)
    assert one.size == 8


def test_a_batch_that_began_before_others_failed_may_still_take_the_size_down_and_never_up():
    size = BatchSize(8)
    size.halve(8)
    size.halve(6)
    assert size.size == 3
    size.halve(8)
    assert size.size == 3
