"""The registry: what is recorded of a pipeline, and what loading refuses."""

import mlflow
import pytest

from fan_model.registry import load_artist, register_artist
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


def test_a_small_pipeline_travels_inside_the_model(tmp_path, pipeline):
    version = register(tmp_path, pipeline)
    assert weights_in(tmp_path)
    pipeline.rename(tmp_path / "elsewhere")
    artworks = load_artist().predict([ROW], params={"num_inference_steps": 1})
    assert artworks["image"].iloc[0].startswith(b"\x89PNG")
    assert len(version.tags["pipeline_revision"]) == 64


def test_a_large_pipeline_is_recorded_and_verified_but_not_copied(tmp_path, pipeline):
    register(tmp_path, pipeline, max_carried_bytes=0)
    assert not weights_in(tmp_path)
    config = pipeline / "unet" / "config.json"
    assert load_artist()
    config.write_text(config.read_text() + "\n")
    with pytest.raises(ValueError, match="checksum is .*, registered was .*; restore its files"):
        load_artist()


@pytest.mark.parametrize("name", ["unet/diffusion_pytorch_model.bin", "vae/model.ckpt", "text_encoder/x.pt"])
def test_pickled_weights_are_refused(tmp_path, pipeline, name):
    (pipeline / name).write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ValueError, match="pickled weights are refused"):
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
