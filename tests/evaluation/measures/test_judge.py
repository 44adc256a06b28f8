import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from evaluation.measures.judge import ClipJudge
from fan_model.bundled import JUDGE_FOLDER as JUDGE
from fan_model.retrieval.clip import Clip, ClipError
from fan_model.retrieval.clip_features import FeatureEncoder
from fan_model.studio.posters.poster import PosterSpec, render
from fan_model.studio.training.assemble import image_processor_of


@pytest.fixture(scope="module")
def judge():
    return ClipJudge.from_pretrained(JUDGE)


@pytest.fixture
def own_folder(tmp_path):
    """A copy of the bundled judge that looks at pictures in its own way."""
    folder = tmp_path / "judge"
    shutil.copytree(JUDGE, folder)
    config = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps(config | {"image_mean": [0.25] * 3}))
    return folder


@pytest.fixture
def noise():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 128, 128, 3), np.uint8)
    return [Image.fromarray(picture) for picture in pixels]


def test_vectors_are_of_unit_length_and_of_one_space(judge, noise):
    images, texts = judge.encode_images(noise), judge.encode_texts(["a western film poster", ""])
    assert (images.shape, texts.shape) == ((3, 128), (2, 128))
    np.testing.assert_allclose(np.linalg.norm(np.vstack([images, texts]), axis=1), 1, atol=1e-5)


def test_a_batch_gives_what_each_gives_alone(judge, noise):
    alone = np.vstack([judge.encode_images([image]) for image in noise])
    np.testing.assert_allclose(judge.encode_images(noise), alone, atol=1e-5)
    texts = ["horror", "a romance in warm pastel colors, watercolor"]
    np.testing.assert_allclose(
        judge.encode_texts(texts), np.vstack([judge.encode_texts([text]) for text in texts]), atol=1e-5
    )


def test_nothing_to_encode_gives_no_vectors(judge):
    assert judge.encode_images([]).shape == judge.encode_texts([]).shape == (0, 128)


def test_more_than_a_batch_keeps_its_order(judge):
    texts = [f"film {number}" for number in range(70)]
    np.testing.assert_allclose(judge.encode_texts(texts)[-1:], judge.encode_texts(texts[-1:]), atol=1e-5)


def test_pictures_of_any_mode_and_size_are_looked_at(judge):
    pictures = [Image.new("L", (50, 80)), Image.new("RGBA", (64, 64)), Image.new("P", (300, 20))]
    assert np.isfinite(judge.encode_images(pictures)).all()


def test_pixels_are_averaged_and_scaled_to_plus_minus_one(judge):
    checkers = np.zeros((256, 256, 3), np.uint8)
    checkers[::2, ::2] = checkers[1::2, 1::2] = 255
    (pixels,) = judge.image_processor([Image.fromarray(checkers)])["pixel_values"]
    assert pixels.shape == (3, 128, 128)
    np.testing.assert_allclose(pixels, 0, atol=1 / 127)
    (white,) = judge.image_processor([Image.new("RGB", (128, 128), "white")])["pixel_values"]
    np.testing.assert_allclose(white, 1, atol=1e-6)


def test_colours_are_told_apart(judge):
    """Two posters that differ in palette alone: each must suit its own words better."""
    posters = [render(PosterSpec(("Drama",), palette, "flat"), seed=1) for palette in ("cold", "crimson")]
    images = judge.encode_images(posters)
    texts = judge.encode_texts(["drama film poster, cold blue tones", "drama film poster, crimson palette"])
    scores = images @ texts.T
    assert scores[0, 0] > scores[0, 1]
    assert scores[1, 1] > scores[1, 0]


def test_a_folder_s_own_preprocessing_and_tokenizer_come_first(own_folder, judge):
    loaded = ClipJudge.from_pretrained(str(own_folder))
    assert list(loaded.image_processor.image_mean) == [0.25] * 3
    np.testing.assert_allclose(loaded.encode_texts(["war"]), judge.encode_texts(["war"]), atol=1e-6)


def test_a_folder_that_does_not_say_how_it_looks_sees_as_the_published_models_do(own_folder):
    (own_folder / "preprocessor_config.json").unlink()
    processor = ClipJudge.from_pretrained(own_folder).image_processor
    assert list(processor.image_mean) == pytest.approx([0.48145466, 0.4578275, 0.40821073])
    assert processor.crop_size == {"height": 128, "width": 128}


def test_a_folder_without_a_tokenizer_takes_the_one_beside_it_or_the_one_named(own_folder, judge):
    (own_folder.parent / "tokenizer").mkdir()
    for file in list(own_folder.glob("*token*")):
        file.rename(own_folder.parent / "tokenizer" / file.name)
    for named in (None, own_folder.parent / "tokenizer"):
        loaded = ClipJudge.from_pretrained(own_folder, tokenizer=named)
        np.testing.assert_allclose(loaded.encode_texts(["war"]), judge.encode_texts(["war"]), atol=1e-6)


@pytest.mark.parametrize("folder", ["bundled", "own"])
def test_judging_and_retrieval_see_the_same_in_pictures_and_texts(folder, own_folder, noise):
    clip = JUDGE if folder == "bundled" else own_folder
    judge, encoder = ClipJudge.from_pretrained(clip), FeatureEncoder(Clip.from_pretrained(clip))
    pictures = [*noise, Image.linear_gradient("L").resize((90, 200))]
    np.testing.assert_allclose(encoder.encode_images(pictures), judge.encode_images(pictures), atol=1e-5)
    texts = ["a western film poster", "horror"]
    np.testing.assert_allclose(encoder.encode_texts(texts), judge.encode_texts(texts), atol=1e-5)


def test_the_bundled_judge_looks_at_pictures_as_it_was_trained_to(judge):
    trained = image_processor_of(judge.model)
    assert judge.image_processor.to_dict() == trained.to_dict()


def test_a_folder_without_a_model_is_an_error(tmp_path):
    with pytest.raises(ClipError, match=f"{tmp_path.name} is no CLIP that can be read here"):
        ClipJudge.from_pretrained(tmp_path)


def test_a_judge_is_partial_to_a_model_that_has_its_token_embedding(judge):
    own = judge.model.text_model.embeddings.token_embedding.weight
    foreign = torch.randn(3, 5), torch.randn_like(own)
    assert judge.shares_text_encoder([*foreign, own.half()])
    assert not judge.shares_text_encoder(foreign)
    assert not judge.shares_text_encoder([])


def test_the_fingerprint_follows_the_weights(judge):
    other = ClipJudge.from_pretrained(JUDGE)
    assert other.fingerprint == judge.fingerprint
    changed = ClipJudge.from_pretrained(JUDGE)
    changed.model.logit_scale.data += 1
    assert changed.fingerprint != judge.fingerprint
