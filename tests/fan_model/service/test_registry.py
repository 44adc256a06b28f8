"""The registry: what is recorded of a pipeline, and what loading refuses."""

import mlflow
import pandas as pd
import pytest
import torch
from mlflow.exceptions import MlflowException

from fan_model.drawing.requests import DrawingOptions
from fan_model.loading.execution import Execution
from fan_model.loading.pipeline_files import PipelineError
from fan_model.service.deployment import Deployment
from fan_model.service.registry import load_artist, register_artist
from tests.fan_model.pipelines import stable_diffusion

ROW = {"prompt": "x", "references": ["a", "b"], "weights": [1, 2], "seed": 3}


@pytest.fixture
def pipeline(tmp_path):
    stable_diffusion().save_pretrained(tmp_path / "pipeline")
    return tmp_path / "pipeline"


def register(folder, pipeline, **settings):
    return register_artist(
        pipeline,
        tracking_uri=f"sqlite:///{folder / 'mlflow.db'}",
        artifact_location=(folder / "artifacts").as_uri(),
        **settings,
    )


def weights_in(folder):
    return [path for path in (folder / "artifacts").rglob("*.safetensors")]


@pytest.mark.whole
def test_a_small_pipeline_travels_inside_the_model(tmp_path, pipeline):
    version = register(tmp_path, pipeline)
    assert weights_in(tmp_path)
    pipeline.rename(tmp_path / "elsewhere")
    artworks = load_artist().predict([ROW], params={"num_inference_steps": 1})
    assert artworks["image"].iloc[0].startswith(b"\x89PNG")
    assert len(version.tags["pipeline_fingerprint"]) == 64


@pytest.mark.whole
def test_a_large_pipeline_is_recorded_and_verified_but_not_copied(tmp_path, pipeline):
    register(tmp_path, pipeline, max_carried_bytes=0)
    assert not weights_in(tmp_path)
    assert load_artist()
    for name in ("unet/config.json", "vae/diffusion_pytorch_model.safetensors", "tokenizer/new.json"):
        file = pipeline / name
        content = file.read_bytes() if file.exists() else None
        file.write_bytes((content or b"") + b"\n")
        with pytest.raises(
            PipelineError, match=f"1 of the pipeline's files are not those .*: {name}; restore"
        ):
            load_artist()
        file.write_bytes(content) if content else file.unlink()
    assert load_artist()
    pipeline.rename(tmp_path / "elsewhere")
    with pytest.raises(PipelineError, match="there is no pipeline in .*/pipeline: restore the folder"):
        load_artist()


@pytest.mark.whole
def test_a_large_pipeline_is_registered_without_being_loaded(tmp_path, pipeline, monkeypatch):
    loaded = []
    monkeypatch.setattr("diffusers.DiffusionPipeline.from_pretrained", lambda *_, **__: loaded.append(1))
    assert register(tmp_path, pipeline, max_carried_bytes=0).version
    assert loaded == []


@pytest.mark.parametrize("name", ["nobody/nothing", "a typing error", "/nowhere"])
def test_a_pipeline_that_cannot_be_had_is_named(tmp_path, name):
    with pytest.raises(PipelineError, match=name):
        register(tmp_path, name)


@pytest.mark.parametrize("name", ["unet/diffusion_pytorch_model.bin", "vae/model.CKPT", "text_encoder/x.pt"])
def test_pickled_weights_are_refused(tmp_path, pipeline, name):
    (pipeline / name).write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(PipelineError, match="pickled weights are refused"):
        register(tmp_path, pipeline)


def test_signature_and_example_are_logged(tmp_path, pipeline):
    version = register(tmp_path, pipeline)
    model = mlflow.models.get_model_info(f"models:/{version.name}/{version.version}")
    assert model.signature.inputs.input_names() == ["prompt", "references", "weights", "user_id", "seed"]
    assert model.signature.inputs.required_input_names() == ["prompt"]
    assert {param.name for param in model.signature.params.params} >= {
        "alpha", "num_references", "num_inference_steps", "guidance_scale", "height", "width",
        "negative_prompt", "format", "skip_layers",
    }  # fmt: skip
    assert model.saved_input_example_info


@pytest.mark.whole
def test_params_have_the_deployments_defaults(tmp_path, pipeline):
    options = DrawingOptions(alpha=0.8, num_references=None, num_inference_steps=1, skip_layers=(0, 1))
    register(tmp_path, pipeline, deployment=Deployment(options=options))
    model = load_artist()
    defaults = {param.name: param.default for param in model.metadata.signature.params.params}
    assert (defaults["alpha"], defaults["num_references"]) == (0.8, None)
    (drawn,) = model.predict([ROW])["artwork_digest"]
    assert (
        drawn == model.predict([ROW], params={"alpha": 0.8, "skip_layers": [0, 1]})["artwork_digest"].iloc[0]
    )


@pytest.mark.whole
def test_a_seed_that_a_gap_made_inexact_is_refused(tmp_path, pipeline):
    register(tmp_path, pipeline)
    rows = pd.DataFrame([{"prompt": "a", "seed": 2**60 + 1}, {"prompt": "b"}])
    with pytest.raises(MlflowException, match="seed must be a whole number"):
        load_artist().predict(rows)


@pytest.mark.whole
@pytest.mark.parametrize(("params", "expected"), [({"num_references": None}, 25), ({}, 20)])
def test_null_asks_for_every_reference_and_no_value_for_the_deployments_number(
    tmp_path, pipeline, params, expected
):
    register(tmp_path, pipeline)
    row = {"prompt": "x", "references": [f"taste {number}" for number in range(25)]}
    drawn = load_artist().predict([row], params={"num_inference_steps": 1, **params})
    assert len(drawn["references_used"].iloc[0]) == expected


def test_what_is_overridden_in_part_keeps_its_other_parts(tmp_path, pipeline):
    execution, options = Execution(vae_tiling=True, batch_size=3), DrawingOptions(alpha=0.7, num_references=4)
    deployment = Deployment(execution=execution, options=options)
    register(tmp_path, pipeline, deployment=deployment)
    loaded = load_artist(execution={"dtype": "bfloat16"}, options={"num_references": 2}).unwrap_python_model()
    painter = loaded.artist.personalizer
    assert (painter.pipeline.unet.dtype, painter.batch_size) == (torch.bfloat16, 3)
    assert painter.pipeline.vae.use_tiling
    assert (loaded.options.alpha, loaded.options.num_references) == (0.7, 2)
