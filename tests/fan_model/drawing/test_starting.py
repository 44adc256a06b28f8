"""Pictures begin as another: whose family can, by how much, and what that has to do with digests."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fan_model.drawing.artist import Artist
from fan_model.drawing.fingerprints import artwork_digest
from fan_model.drawing.limits import RequestLimits
from fan_model.drawing.personalizer import Personalizer
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions, canonical
from fan_model.drawing.starting import StartPicture, image_to_image, start_of, with_start
from fan_model.loading.execution import Execution
from fan_model.loading.placement import Placement
from fan_model.request_errors import RequestError
from tests.fan_model.pipelines import flux, stable_diffusion, stable_diffusion_3, stable_diffusion_xl
from tests.marks import some_of

FAMILIES = {"SD": stable_diffusion, "SD XL": stable_diffusion_xl, "FLUX": flux}
TINY = {"num_inference_steps": 4, "height": 16, "width": 16}
OPTIONS = DrawingOptions(**TINY)
REFERENCES = ["pastel watercolor", "neon"]


def noise(seed, size=(24, 32)):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8))


RED, NOISE = Image.new("RGB", (30, 60), "red"), noise(0)


@pytest.fixture(scope="module", params=some_of(FAMILIES, "SD"))
def personalizer(request):
    return Personalizer(FAMILIES[request.param]())


def pixels(image):
    return np.asarray(image, np.int16)


def test_a_picture_begins_as_another_and_takes_on_references(personalizer):
    alone = personalizer.draw("western", **TINY)
    started = personalizer.draw("western", start=RED, strength=0.5, **TINY)
    other = personalizer.draw("western", start=NOISE, strength=0.5, **TINY)
    liked = personalizer.draw("western", REFERENCES, alpha=0.9, start=RED, strength=0.5, **TINY)
    assert {image.size for image in (alone, started, other, liked)} == {(16, 16)}
    for one, another in ((alone, started), (started, other), (started, liked)):
        assert (pixels(one) != pixels(another)).any()


def test_a_weak_start_is_drawn_over_and_a_strong_one_kept(personalizer):
    whole = pixels(decoded(personalizer, RED))
    far = [
        abs(pixels(personalizer.draw("western", start=RED, strength=strength, **TINY)) - whole).mean()
        for strength in (0.25, 1.0)
    ]
    assert far[0] < far[1]


def decoded(personalizer, image):
    """The picture as the autoencoder gives it back."""
    vae, small = personalizer.pipeline.vae, image.resize((16, 16))
    tensor = torch.from_numpy(np.asarray(small, np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    with torch.no_grad():
        seen = vae.decode(vae.encode(tensor).latent_dist.mode()).sample[0].permute(1, 2, 0)
    return Image.fromarray(((seen / 2 + 0.5).clamp(0, 1) * 255).round().numpy().astype(np.uint8))


def test_a_picture_does_not_depend_on_what_it_is_drawn_together_with(personalizer):
    prompts, starts = ["western", "noir", "space", "war", "love"], [RED, None, NOISE, NOISE, RED]
    together = personalizer.draw(prompts, start=starts, seed=range(5), **TINY)
    alone = [
        personalizer.draw(prompt, start=start, seed=seed, **TINY)
        for seed, (prompt, start) in enumerate(zip(prompts, starts, strict=True))
    ]
    for one, other in zip(together, alone, strict=True):
        assert (pixels(one) == pixels(other)).all()


def test_one_start_is_for_all_prompts(personalizer):
    for_all = personalizer.draw(["western", "noir"], start=RED, **TINY)
    for_each = personalizer.draw(["western", "noir"], start=[RED, RED], **TINY)
    assert [*map(Image.Image.tobytes, for_all)] == [*map(Image.Image.tobytes, for_each)]


def test_the_parts_are_the_same_and_keep_their_number_types():
    pipeline = stable_diffusion_xl()
    pipeline.unet.to(torch.bfloat16)
    made = image_to_image(pipeline)
    assert (made.unet, made.vae) == (pipeline.unet, pipeline.vae)
    assert (made.unet.dtype, made.vae.dtype) == (torch.bfloat16, torch.float32)
    assert made.watermark is pipeline.watermark


@pytest.mark.parametrize(
    ("given_start", "problem"),
    [
        ({"start": RED, "strength": 0.0}, "strength must be above 0 and at most 1"),
        ({"start": RED, "strength": 1.5}, "strength must be above 0 and at most 1"),
        ({"start": RED, "strength": 0.2}, r"strength must be at least 0\.25"),
        ({"start": [RED, RED]}, "start must be as many as the prompts"),
    ],
)
def test_what_cannot_be_begun_with_is_refused(given_start, problem):
    with pytest.raises(RequestError, match=problem):
        Personalizer(stable_diffusion()).draw("western", **given_start, **TINY)


def test_another_family_says_which_can():
    with pytest.raises(RequestError, match=r"StableDiffusion3Pipeline cannot begin with a picture, Stable"):
        Personalizer(stable_diffusion_3()).draw("western", start=RED, **TINY)


def test_parts_that_are_kept_off_the_device_are_in_the_way():
    pipeline = stable_diffusion()
    placed = Personalizer(pipeline, placement=Placement("cpu", "group"))
    with pytest.raises(RequestError, match=r"start must be none where model\.offload"):
        placed.draw("western", start=RED, **TINY)


def test_a_request_of_the_service_names_no_picture():
    with pytest.raises(RequestError, match="start"):
        RequestLimits().parse_request({"prompt": "western", "start": "https://example.org/a.png"})


REQUEST = ArtworkRequest(prompt="western", references=("neon", "ink"), weights=(2.0, 1.0))


def started(image=RED, strength=0.5, request=REQUEST):
    return with_start(request, StartPicture.of(image, strength))


def digest(request):
    return artwork_digest(request, OPTIONS, "pipeline")


def test_content_and_strength_are_in_the_digest_and_without_a_start_it_is_as_ever():
    requests = [REQUEST, started(), started(NOISE), started(strength=0.6)]
    assert len({digest(request) for request in requests}) == 4
    assert digest(with_start(REQUEST, None)) == digest(REQUEST)
    assert digest(started(RED.convert("RGBA"))) == digest(started())
    sideways = Image.new("RGB", (60, 30), "red")
    assert digest(started(sideways)) != digest(started())


@given(scale=st.floats(0.01, 100))
def test_the_canonical_spelling_keeps_the_start(scale):
    scaled = replace(started(), weights=(2.0 * scale, scale), references=("neon", "ink"))
    assert digest(scaled) == digest(started())
    assert start_of(canonical(scaled)) == StartPicture.of(RED, 0.5)


def test_an_artist_draws_what_begins_as_another():
    artist = Artist(
        [Personalizer(stable_diffusion())], encoder_fingerprint="e", pipeline_fingerprint="pipeline"
    )
    drawn = artist.draw([started(), REQUEST], OPTIONS)
    assert [one.artwork_digest for one in drawn] == [
        artwork_digest(one, artist.complete(OPTIONS), "pipeline") for one in (started(), REQUEST)
    ]
    assert drawn[0].image != drawn[1].image


def test_a_start_of_another_shape_is_cut_and_not_squeezed():
    halves = Image.new("RGB", (40, 20), "white")
    halves.paste("black", (0, 0, 10, 20))
    halves.paste("black", (30, 0, 40, 20))
    fitted = StartPicture.of(halves, 0.5).fit(16, 16)
    assert fitted.size == (16, 16)
    assert pixels(fitted)[:, 2:-2].min() > 250


@pytest.mark.whole
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("name", FAMILIES)
def test_what_begins_as_another_leaves_the_next_picture_what_it_was(tmp_path, name, dtype):
    pipeline = FAMILIES[name]()
    pipeline.vae.register_to_config(force_upcast=True)
    pipeline.save_pretrained(tmp_path)
    artist = Artist.load(tmp_path, execution=Execution(dtype=dtype))
    alone, begun, again, after = (
        artist.draw([request], OPTIONS)[0].image for request in (REQUEST, started(), started(), REQUEST)
    )
    assert alone == after
    assert begun == again
    assert alone != begun
