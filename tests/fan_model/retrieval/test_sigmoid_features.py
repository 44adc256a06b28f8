"""SigLIP and SigLIP 2 retrieve as CLIP does: both towers, plain and in a taste."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers import AutoModel

from evaluation.measures.judge import ClipJudge
from fan_model.encoders.siglip_encoders import join_patches, split_patches
from fan_model.encoders.text_encoders import Profile
from fan_model.method.crowd_contrast import Crowd
from fan_model.method.personalization import Personalization
from fan_model.method.selection_policy import SelectionPolicy
from fan_model.retrieval.clip import Clip, ClipError
from fan_model.retrieval.clip_features import FeatureEncoder, blend_features
from tests.fan_model.pipelines import clip_text_model
from tests.fan_model.sigmoid_models import NUM_TOKENS, save_model

KINDS = ("siglip", "siglip2")
TEXTS = ["a warm film poster", "cold", "neon grainy neon " * 9]
REFERENCES, WEIGHTS = ("teal ink", "red paper light"), (3.0, 1.0)
HOW = Personalization(alpha=0.6)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {kind: save_model(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}


@pytest.fixture(scope="module", params=KINDS)
def folder(request, folders):
    return folders[request.param]


@pytest.fixture(scope="module")
def encoder(folder):
    return FeatureEncoder(Clip.from_pretrained(folder))


def noise(seed, size):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(pixels)


PICTURES = [noise(0, (50, 70)), noise(1, (32, 32)), noise(2, (90, 40))]


def reference_features(folder, texts, images):
    """Features as transformers' own example computes them; texts are padded to the model's length."""
    model, processor = AutoModel.from_pretrained(folder).eval(), Clip.from_pretrained(folder)
    tokens = processor.tokenizer(
        texts, padding="max_length", max_length=NUM_TOKENS, truncation=True, return_tensors="pt"
    )
    with torch.no_grad():
        of_texts = model.get_text_features(input_ids=tokens.input_ids).pooler_output
        seen = processor.image_processor(images, return_tensors="pt")
        of_images = model.get_image_features(**seen).pooler_output
    return [torch.nn.functional.normalize(one, dim=-1).numpy() for one in (of_texts, of_images)]


def test_features_are_those_of_transformers_own_forward(folder, encoder):
    texts, images = reference_features(folder, TEXTS, PICTURES)
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), texts, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_images(PICTURES), images, atol=1e-5)
    judge = ClipJudge.from_pretrained(folder)
    np.testing.assert_allclose(judge.encode_texts(TEXTS), texts, atol=1e-5)
    np.testing.assert_allclose(judge.encode_images(PICTURES), images, atol=1e-5)


def test_pictures_and_texts_of_no_number_have_no_features(folder):
    judge = ClipJudge.from_pretrained(folder)
    assert judge.encode_images([]).shape == judge.encode_texts([]).shape == (0, 32)


def test_a_query_without_references_is_the_plain_query(encoder):
    plain = encoder.personalize_text_feature([Profile(text) for text in TEXTS], HOW)
    np.testing.assert_allclose(plain, encoder.encode_texts(TEXTS), atol=1e-5)


def test_an_image_without_references_is_the_plain_image(encoder):
    for image in PICTURES:
        plain = encoder.personalize_image_feature(image, [], [], HOW)
        np.testing.assert_allclose(plain, encoder.encode_images([image]), atol=1e-5)


def test_at_alpha_zero_and_among_references_like_itself_a_query_is_plain(encoder):
    none = encoder.personalize_text_feature(
        [Profile(TEXTS[0], REFERENCES, WEIGHTS)], Personalization(alpha=0.0)
    )
    own = encoder.personalize_text_feature([Profile(TEXTS[0], (TEXTS[0],) * 2, WEIGHTS)], HOW)
    for feature in (none, own):
        np.testing.assert_allclose(feature, encoder.encode_texts(TEXTS[:1]), atol=1e-5)
    same = encoder.personalize_image_feature(PICTURES[0], [PICTURES[0]] * 2, [1.0, 2.0], HOW)
    np.testing.assert_allclose(same, encoder.encode_images(PICTURES[:1]), atol=1e-5)


@given(scale=st.floats(0.01, 100), turned=st.booleans())
def test_order_and_scale_of_weights_change_nothing(encoder, scale, turned):
    step = -1 if turned else 1
    weights = [weight * scale for weight in WEIGHTS][::step]
    text = encoder.personalize_text_feature([Profile(TEXTS[0], REFERENCES[::step], tuple(weights))], HOW)
    expected = encoder.personalize_text_feature([Profile(TEXTS[0], REFERENCES, WEIGHTS)], HOW)
    np.testing.assert_allclose(text, expected, atol=1e-5)
    image = encoder.personalize_image_feature(PICTURES[0], PICTURES[1:][::step], weights, HOW)
    expected = encoder.personalize_image_feature(PICTURES[0], PICTURES[1:], WEIGHTS, HOW)
    np.testing.assert_allclose(image, expected, atol=1e-5)


def test_references_of_another_shape_and_length_move_a_query(encoder):
    text = encoder.personalize_text_feature([Profile(TEXTS[0], REFERENCES, WEIGHTS)], HOW)
    image = encoder.personalize_image_feature(PICTURES[0], PICTURES[1:], WEIGHTS, HOW)
    assert np.abs(text - encoder.encode_texts(TEXTS[:1])).max() > 1e-3
    assert np.abs(image - encoder.encode_images(PICTURES[:1])).max() > 1e-3
    np.testing.assert_allclose(np.linalg.norm(np.vstack([text, image]), axis=1), 1, atol=1e-5)


def test_a_query_does_not_depend_on_its_batch(encoder):
    profiles = [Profile(text, REFERENCES, WEIGHTS) for text in TEXTS]
    alone = np.vstack([encoder.personalize_text_feature([profile], HOW) for profile in profiles])
    np.testing.assert_allclose(encoder.personalize_text_feature(profiles, HOW), alone, atol=1e-5)


def test_a_contrast_with_a_crowd_that_likes_the_same_is_plain_and_with_another_is_not(encoder):
    how = Personalization(contrast=0.8)
    same, other = Crowd(REFERENCES, WEIGHTS), Crowd(("flat dark",), (1.0,))
    plain = encoder.encode_texts(TEXTS[:1])
    features = [
        encoder.personalize_text_feature([Profile(TEXTS[0], REFERENCES, WEIGHTS, crowd)], how)
        for crowd in (same, other)
    ]
    np.testing.assert_allclose(features[0], plain, atol=1e-5)
    assert np.abs(features[1] - plain).max() > 1e-3


def test_the_mean_mixes_features_of_either_tower(encoder):
    query, liked = encoder.encode_texts(TEXTS[:1]), encoder.encode_images(PICTURES)
    np.testing.assert_allclose(blend_features(query, liked, [1.0] * 3, 0.0), query, atol=1e-6)
    np.testing.assert_allclose(blend_features(query, liked[:1], [2.0], 1.0), liked[:1], atol=1e-6)


def test_images_are_selected_by_their_patches(encoder):
    policy = SelectionPolicy(fraction=0.5, min_references=1, max_references=1, distinctive=False)
    assert encoder.select_images(PICTURES[0], [PICTURES[2], PICTURES[0]], [1.0, 1.0], policy) == [1]


def test_a_folder_s_own_preprocessing_comes_first_and_else_its_kind_s(folder, tmp_path):
    assert list(Clip.from_pretrained(folder).image_processor.image_mean) == [0.4] * 3
    kind = (
        "siglip2"
        if "spatial_shapes" in Clip.from_pretrained(folder).image_processor.model_input_names
        else "siglip"
    )
    bare = save_model(tmp_path, kind)
    (bare / "preprocessor_config.json").unlink()
    clip = Clip.from_pretrained(bare)
    assert list(clip.image_processor.image_mean) == [0.5] * 3
    assert [tuple(batch.shape[2:]) for batch in clip.pixels([Image.new("RGB", (64, 64))])] == [(32, 32)]


def test_a_model_of_another_type_is_named(tmp_path):
    clip_text_model().save_pretrained(tmp_path)
    with pytest.raises(ClipError, match="is a model of type clip_text_model: name one of type clip, siglip"):
        Clip.from_pretrained(tmp_path)


@given(down=st.integers(1, 4), across=st.integers(1, 4), padding=st.integers(0, 3))
def test_patches_are_cut_and_joined_without_loss(down, across, padding):
    pixels = torch.arange(3.0 * down * 8 * across * 8).view(1, 3, down * 8, across * 8)
    patches, shapes = split_patches(pixels, 8)
    assert shapes.tolist() == [[down, across]]
    padded = torch.cat([patches[0], torch.zeros(padding, patches.shape[2])])
    assert torch.equal(join_patches(padded, (down, across), 8), pixels)
