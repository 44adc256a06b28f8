"""How a checkpoint is meant to be drawn with, known by what it says itself."""

import diffusers
import pytest

from fan_model.drawing.artist import Artist
from fan_model.drawing.personalizer import Personalizer
from fan_model.drawing.requests import DrawingOptions
from fan_model.loading.own_sampling import USUAL, OwnSampling, own_sampling, write_statement
from fan_model.loading.pipeline_files import STATEMENT, PipelineError, PipelineFiles
from fan_model.request_errors import RequestError
from tests.fan_model.language_pipelines import flux2_klein, z_image
from tests.fan_model.pipelines import flux, stable_diffusion, stable_diffusion_xl, unet

TURBO = OwnSampling(4, 1.0, is_distilled=True)
QUICK = {"height": 32, "width": 32}


def with_scheduler(pipeline, kind, **config):
    pipeline.scheduler = kind(**config)
    return pipeline


def lcm():
    pipeline = stable_diffusion()
    pipeline.register_modules(unet=unet(32, time_cond_proj_dim=16))
    return pipeline


def flux_dev():
    pipeline = flux()
    pipeline.transformer = diffusers.FluxTransformer2DModel.from_config(
        {**pipeline.transformer.config, "guidance_embeds": True, "_use_default_values": []}
    )
    return pipeline


def distilled_klein():
    pipeline = flux2_klein()
    pipeline.register_to_config(is_distilled=True)
    return pipeline


def named(pipeline, name):
    pipeline.register_to_config(_name_or_path=name)
    return pipeline


EULER, ANCESTRAL = diffusers.EulerDiscreteScheduler, diffusers.EulerAncestralDiscreteScheduler
CACHED = "/cache/models--tongyi--Z-Image-Turbo/snapshots/0123"
CASES = {
    "Stable Diffusion": (stable_diffusion, USUAL),
    "SD XL": (lambda: with_scheduler(stable_diffusion_xl(), EULER, timestep_spacing="leading"), USUAL),
    "SD XL Turbo": (
        lambda: with_scheduler(stable_diffusion_xl(), ANCESTRAL, timestep_spacing="trailing"),
        TURBO,
    ),
    "SD XL Lightning": (
        lambda: with_scheduler(stable_diffusion_xl(), EULER, timestep_spacing="trailing"),
        TURBO,
    ),
    "LCM LoRA": (lambda: with_scheduler(stable_diffusion(), diffusers.LCMScheduler), TURBO),
    "TCD": (lambda: with_scheduler(stable_diffusion(), diffusers.TCDScheduler), TURBO),
    "LCM": (lcm, OwnSampling(4, 8.0, is_embedded=True)),
    "FLUX schnell": (flux, TURBO),
    "FLUX dev": (flux_dev, OwnSampling(28, 3.5, is_embedded=True)),
    "FLUX.2 klein": (distilled_klein, TURBO),
    "Z-Image": (z_image, USUAL),
    "Z-Image Turbo from the hub": (lambda: named(z_image(), CACHED), TURBO),
    "Hyper SD in a folder": (
        lambda: named(stable_diffusion(), "/models/Hyper-SD15"),
        OwnSampling(8, 1.0, True),
    ),
    "SD XL Lightning of eight steps": (
        lambda: named(
            with_scheduler(stable_diffusion_xl(), EULER, timestep_spacing="trailing"),
            "/m/SDXL-Lightning_8step",
        ),
        OwnSampling(8, 1.0, True),
    ),
    "Hyper SD of one step": (
        lambda: named(stable_diffusion(), "/models/Hyper-SDXL-1step"),
        OwnSampling(1, 1.0, True),
    ),
    "a usual model whose name has steps": (lambda: named(stable_diffusion(), "/models/30-steps"), USUAL),
    "a usual model whose noise ends in nothing": (
        lambda: with_scheduler(
            stable_diffusion_xl(),
            EULER,
            timestep_spacing="trailing",
            prediction_type="v_prediction",
            rescale_betas_zero_snr=True,
        ),
        USUAL,
    ),
    "a folder of a folder called turbo": (lambda: named(stable_diffusion(), "/turbo/sd15"), USUAL),
}


@pytest.mark.parametrize("case", CASES)
def test_a_checkpoint_says_its_steps_and_its_guidance(case):
    make, wanted = CASES[case]
    assert own_sampling(make()) == wanted


def test_what_is_not_asked_for_is_the_checkpoints_own_and_in_the_digest_as_such():
    turbo = Personalizer(CASES["SD XL Turbo"][0]())
    usual = Personalizer(stable_diffusion())
    plain, asked = DrawingOptions(), DrawingOptions(num_inference_steps=7, guidance_scale=2.0)
    assert [(turbo.complete(one).steps, turbo.complete(one).guidance) for one in (plain, asked)] == [
        (4, 1.0), (7, 2.0),
    ]  # fmt: skip
    own = usual.sides.own
    assert usual.complete(plain) == DrawingOptions(
        num_inference_steps=20, guidance_scale=3.5, height=own, width=own
    )
    drawn = turbo.draw("western", seed=3, **QUICK)
    assert (
        drawn.tobytes()
        == turbo.draw("western", seed=3, num_inference_steps=4, guidance_scale=1, **QUICK).tobytes()
    )


@pytest.mark.parametrize(
    ("case", "asked"),
    [
        ("LCM", {"guidance_scale": 8}),
        ("SD XL Turbo", {}),
        ("FLUX dev", {}),
        ("Stable Diffusion", {"guidance_scale": 1}),
    ],
)
def test_a_negative_prompt_is_refused_where_it_would_do_nothing(case, asked):
    personalizer = Personalizer(CASES[case][0]())
    with pytest.raises(RequestError, match="negative_prompt must be empty"):
        personalizer.draw("western", negative_prompt="noir", **asked, **QUICK)


def test_a_distilled_model_that_is_guided_all_the_same_takes_a_negative_prompt():
    personalizer = Personalizer(CASES["SD XL Turbo"][0]())
    drawn = [
        personalizer.draw(
            "western", negative_prompt=negative, guidance_scale=3, num_inference_steps=1, **QUICK
        )
        for negative in ("", "noir")
    ]
    assert drawn[0].tobytes() != drawn[1].tobytes()


def test_an_artist_digests_the_steps_that_it_draws_with():
    artist = Artist(
        [Personalizer(CASES["SD XL Turbo"][0]())], encoder_fingerprint="e", pipeline_fingerprint="p"
    )
    from fan_model.drawing.artist import ArtworkRequest

    request = ArtworkRequest(prompt="western")
    digests = {
        artist.draw([request], DrawingOptions(**asked, **QUICK))[0].artwork_digest
        for asked in ({}, {"num_inference_steps": 4, "guidance_scale": 1.0})
    }
    assert len(digests) == 1


def test_what_a_folder_states_goes_before_all_else_and_is_one_of_its_files(tmp_path):
    stable_diffusion().save_pretrained(tmp_path)
    before = PipelineFiles(tmp_path).checksums()
    write_statement(tmp_path, OwnSampling(8, 1.0))
    pipeline = diffusers.DiffusionPipeline.from_pretrained(tmp_path, local_files_only=True)
    assert own_sampling(pipeline) == OwnSampling(8, 1.0, is_distilled=True)
    assert set(PipelineFiles(tmp_path).checksums()) == {*before, STATEMENT}


@pytest.mark.parametrize(
    "stated", ["{}", "[1]", "no json", '{"num_inference_steps": "few", "guidance_scale": 1}']
)
def test_a_statement_without_numbers_is_refused(stated, tmp_path):
    (tmp_path / STATEMENT).write_text(stated)
    with pytest.raises(PipelineError, match="must state num_inference_steps and guidance_scale"):
        own_sampling(named(stable_diffusion(), str(tmp_path)))


def test_a_statement_of_no_steps_is_refused(tmp_path):
    write_statement(tmp_path, OwnSampling(0, 1.0))
    with pytest.raises(PipelineError, match="at least 1 step"):
        own_sampling(named(stable_diffusion(), str(tmp_path)))
