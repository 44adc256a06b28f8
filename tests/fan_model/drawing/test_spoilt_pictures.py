"""What an image model gives is looked at before it is called a picture."""

import re

import numpy as np
import pytest
import torch
from diffusers.image_processor import VaeImageProcessor

from fan_model.drawing.artist import Artist, Artwork, ArtworkRequest, DrawingOptions
from fan_model.drawing.images import SpoiltPictureError, develop
from fan_model.drawing.personalizer import Personalizer
from fan_model.loading.execution import Execution
from tests.fan_model.pipelines import stable_diffusion

OPTIONS = DrawingOptions(num_inference_steps=1)
REQUESTS = [ArtworkRequest(prompt="a quiet harbour", seed=seed) for seed in range(3)]


def make_artist(pipeline):
    return Artist([Personalizer(pipeline)], encoder_fingerprint="e", pipeline_fingerprint="p")


def spoil(pipeline, *, value):
    """Let the last layer of the decoder give one number everywhere."""
    with torch.no_grad():
        for parameter in pipeline.vae.decoder.conv_out.parameters():
            parameter.fill_(value)
    return pipeline


@pytest.mark.parametrize(
    ("value", "reason"), [(float("nan"), "not finite"), (0.0, "of a single colour")], ids=["NaN", "constant"]
)
def test_a_model_that_gives_no_picture_is_a_failure_with_a_reason_for_every_caller(value, reason):
    artist = make_artist(spoil(stable_diffusion(), value=value))
    drawn = artist.draw_each(REQUESTS, OPTIONS)
    assert [type(each) for each in drawn] == [SpoiltPictureError] * 3
    for draw in (
        lambda: artist.draw(REQUESTS, OPTIONS),
        lambda: Personalizer(spoil(stable_diffusion(), value=value)).draw("x", num_inference_steps=1),
    ):
        with pytest.raises(SpoiltPictureError, match=reason):
            draw()


def test_only_the_spoilt_pictures_of_a_batch_fail(monkeypatch):
    pipeline = stable_diffusion()
    decode = pipeline.vae.decode

    def spoil_the_second(latents, **options):
        decoded = decode(latents, **options)
        decoded[0][1] = float("nan")
        return decoded

    monkeypatch.setattr(pipeline.vae, "decode", spoil_the_second)
    drawn = make_artist(pipeline).draw_each(REQUESTS, OPTIONS)
    assert [type(each) for each in drawn] == [Artwork, SpoiltPictureError, Artwork]


def test_pixels_of_another_size_are_no_picture():
    pixels = np.random.default_rng(0).random((8, 16, 3))
    assert "gave 16 x 8 pixels, not 8 x 16" in str(develop(pixels, (16, 8)))


def test_a_picture_is_made_of_pixels_as_diffusers_makes_it():
    pixels = np.random.default_rng(0).random((8, 16, 3), np.float32)
    pixels[0, :3] = [[0, 0.5 / 255, 1.5 / 255]] * 3
    (theirs,) = VaeImageProcessor.numpy_to_pil(pixels)
    assert develop(pixels, (8, 16)).tobytes() == theirs.tobytes()


@pytest.mark.parametrize("colour", [(0, 0, 0), (1, 0, 0), (0.2, 0.4, 0.6)])
def test_a_single_colour_is_no_picture_and_one_pixel_of_another_makes_it_one(colour):
    pixels = np.broadcast_to(np.array(colour, float), (8, 8, 3)).copy()
    assert "single colour" in str(develop(pixels, (8, 8)))
    pixels[3, 4, 1] += 0.1
    assert develop(pixels, (8, 8)).size == (8, 8)


def saved_with_large_weights(folder, part):
    """A pipeline one part of which gives numbers that float32 holds, and float16 does not."""
    pipeline = stable_diffusion()
    layer = {"unet": pipeline.unet.conv_out, "vae": pipeline.vae.decoder.conv_out}[part]
    with torch.no_grad():
        layer.weight.mul_(6e4 / layer.weight.abs().max())
        pipeline.vae.decoder.conv_norm_out.weight.mul_(100)
    pipeline.vae.register_to_config(force_upcast=False)
    pipeline.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("part", "reason"),
    [("unet", "the image model's latents are not finite"), ("vae", "autoencoder gave .* not finite")],
)
def test_what_overflows_names_the_number_type_to_change_and_which_one_would_do(tmp_path, part, reason):
    folder = saved_with_large_weights(tmp_path, part)
    half = Artist.load(folder, execution=Execution(dtype="float16"))
    (spoilt,) = half.draw_each(REQUESTS[:1], OPTIONS)
    assert isinstance(spoilt, SpoiltPictureError)
    assert re.match(f"(the )?{reason}: set model.dtype = bfloat16 or float32, for in float16 it", str(spoilt))
    whole = Artist.load(folder, execution=Execution(dtype="float32"))
    assert isinstance(whole.draw_each(REQUESTS[:1], OPTIONS)[0], Artwork)


def test_a_model_whose_numbers_are_wide_already_is_not_told_to_widen_them():
    (spoilt, *_) = make_artist(spoil(stable_diffusion(), value=float("nan"))).draw_each(REQUESTS, OPTIONS)
    assert "look at its weights, for model.dtype is float32 already" in str(spoilt)
