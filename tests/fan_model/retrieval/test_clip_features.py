import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPVisionModelWithProjection

from fan_model.bundled import JUDGE_FOLDER
from fan_model.encoders.text_encoders import Profile
from fan_model.method.personalization import Personalization
from fan_model.retrieval.clip import Clip
from fan_model.retrieval.clip_features import FeatureEncoder, blend_features

ITEMS = ["western film poster, warm", "horror film poster, monochrome", "romance film poster, pastel"]


@pytest.fixture(scope="module")
def encoder():
    return FeatureEncoder(Clip.from_pretrained(JUDGE_FOLDER))


def test_features_are_unit_vectors_of_one_space(encoder):
    texts = encoder.encode_texts(ITEMS)
    images = encoder.encode_images([Image.new("RGB", (128, 128), color) for color in ("red", "black")])
    assert texts.shape == (3, images.shape[1])
    np.testing.assert_allclose(np.linalg.norm(np.vstack([texts, images]), axis=1), 1, atol=1e-6)


def test_a_query_without_references_is_the_plain_query(encoder):
    personalized = encoder.personalize_text_feature([Profile("film poster")], Personalization())
    np.testing.assert_allclose(personalized, encoder.encode_texts(["film poster"]), atol=1e-5)


def test_references_pull_a_query_towards_what_they_are_like(encoder):
    items, profile = encoder.encode_texts(ITEMS), Profile("film poster", (ITEMS[2],), (1.0,))
    plain, personalized = (
        items @ encoder.personalize_text_feature([profile], Personalization(alpha=alpha))[0]
        for alpha in (0.0, 0.6)
    )
    assert personalized[2] > plain[2]
    assert personalized.argmax() == 2


def test_an_image_takes_on_its_reference_images(encoder):
    target, reference = (Image.new("RGB", (128, 128), color) for color in ("red", "blue"))
    likeness = [
        encoder.personalize_image_feature(target, [reference], [1.0], Personalization(alpha=alpha))[0]
        @ encoder.encode_images([reference])[0]
        for alpha in (0.0, 0.8)
    ]
    assert likeness[1] > likeness[0]


def test_an_image_without_references_is_embedded_as_unclip_takes_it(encoder):
    image = Image.linear_gradient("L").resize((128, 128))
    embeds = encoder.personalize_image_embeds(image, [], [], Personalization())
    plain = CLIPVisionModelWithProjection.from_pretrained(JUDGE_FOLDER)
    with torch.no_grad():
        expected = plain(encoder._clip.pixels([image])[0]).image_embeds
    torch.testing.assert_close(embeds, expected, rtol=0, atol=1e-5)


def test_a_mean_mixes_what_is_liked_by_its_weight_and_the_query_by_the_rest(encoder):
    query, *items = encoder.encode_texts(["film poster", *ITEMS])
    query, items = query[None], np.array(items)
    np.testing.assert_allclose(blend_features(query, items, [1.0] * 3, 0.0), query, atol=1e-6)
    np.testing.assert_allclose(blend_features(query, items[:1], [2.0], 1.0), items[:1], atol=1e-6)
    one, other = (
        blend_features(query, items, weights, 0.5) for weights in ([3.0, 1.0, 1.0], [6.0, 2.0, 2.0])
    )
    np.testing.assert_allclose(one, other, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(one), 1, atol=1e-6)
    heavier = blend_features(query, items, [9.0, 1.0, 1.0], 0.5)
    assert heavier[0] @ items[0] > one[0] @ items[0]
