"""What image encoders see of pictures in somebody's taste: one equation, by embeddings or by attention."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fan_model.encoders.key_value_cache import KeyValueCache
from fan_model.image_references.image_profile import ImageProfile, Picture
from fan_model.image_references.image_towers import PenultimateClip, ProjectedClip, SiglipPatches
from fan_model.method.image_personalization import ImagePersonalization
from fan_model.request_errors import RequestError
from tests.fan_model.image_pipelines import (
    clip_processor,
    clip_vision,
    picture,
    siglip_processor,
    siglip_vision,
)

CACHE = KeyValueCache(2**26)
TOWERS = {
    "CLIP, projected": ProjectedClip(clip_vision(), clip_processor(), CACHE),
    "CLIP, patches": PenultimateClip(clip_vision(), clip_processor(), CACHE),
    "SigLIP, patches": SiglipPatches(siglip_vision(), siglip_processor(), CACHE),
}
METHODS = ["mean", "attention"]
TARGET, LIKED, EVERYBODYS = picture(0), [picture(seed) for seed in (1, 2, 3)], [picture(4), picture(5)]
WEIGHTS = [3.0, 1.0, 4.5]
TOLERANCE = {"rtol": 0, "atol": 2e-6}


@pytest.fixture(params=TOWERS)
def tower(request):
    return TOWERS[request.param]


@pytest.fixture(params=METHODS)
def how(request):
    return ImagePersonalization(method=request.param, alpha=0.5)


def embed(tower, *profiles):
    return tower.personalize(profiles)


def test_without_references_it_is_the_encoders_own_output(tower, how):
    plain = embed(tower, ImageProfile.of(TARGET, how=how))
    pixels = tower._processor(images=[TARGET.convert("RGB")], return_tensors="pt").pixel_values
    with torch.no_grad():
        if isinstance(tower, SiglipPatches):
            own = siglip_vision()(pixels).last_hidden_state
        else:
            output = clip_vision()(pixels, output_hidden_states=True)
            own = output.image_embeds if isinstance(tower, ProjectedClip) else output.hidden_states[-2]
    torch.testing.assert_close(plain, own, **TOLERANCE)


def test_references_move_it_and_the_more_the_greater_alpha(tower, how):
    plain = embed(tower, ImageProfile.of(TARGET, how=how))
    moved = [
        (embed(tower, ImageProfile.of(TARGET, LIKED, WEIGHTS, how=replace(how, alpha=alpha))) - plain).norm()
        for alpha in (0.0, 0.3, 0.9)
    ]
    assert moved[0] < 1e-4
    assert moved[0] < moved[1] < moved[2]


def test_references_that_are_the_target_change_nothing(tower, how):
    plain, same = (
        embed(tower, ImageProfile.of(TARGET, references, how=how)) for references in ([], [TARGET, TARGET])
    )
    torch.testing.assert_close(same, plain, **TOLERANCE)


@settings(max_examples=10)
@given(st.permutations(range(3)), st.sampled_from([0.125, 1.0, 7.0]), st.sampled_from(METHODS))
def test_neither_order_nor_scale_of_weights_changes_a_bit(order, scale, method):
    how, tower = ImagePersonalization(method=method), TOWERS["CLIP, projected"]
    weights = [scale * WEIGHTS[place] for place in order]
    other = ImageProfile.of(TARGET, [LIKED[place] for place in order], weights, how=how)
    assert torch.equal(embed(tower, other), embed(tower, ImageProfile.of(TARGET, LIKED, WEIGHTS, how=how)))


def test_weights_matter(tower, how):
    one, other = (embed(tower, ImageProfile.of(TARGET, LIKED, w, how=how)) for w in (WEIGHTS, None))
    assert (one - other).abs().max() > 1e-3


def test_a_picture_alone_is_what_it_is_in_a_batch(tower, how):
    profiles = [
        ImageProfile.of(TARGET, LIKED, WEIGHTS, how=how),
        ImageProfile.of(LIKED[0], EVERYBODYS, how=how),
        ImageProfile.of(LIKED[1], how=how),
    ]
    fresh = type(tower)(*_parts(tower), KeyValueCache(0))
    for given_tower in (tower, fresh):
        together = embed(given_tower, *profiles)
        for place, profile in enumerate(profiles):
            assert torch.equal(together[place : place + 1], embed(given_tower, profile))
    assert torch.equal(embed(fresh, *profiles), embed(tower, *profiles))


def _parts(tower):
    if isinstance(tower, SiglipPatches):
        return siglip_vision(), siglip_processor()
    return clip_vision(), clip_processor()


def test_contrast_goes_along_the_difference_from_the_crowd(tower, how):
    how = replace(how, contrast=0.8)
    plain = embed(tower, ImageProfile.of(TARGET, how=how))
    crowded = ImageProfile.of(TARGET, EVERYBODYS, [2.0, 1.0], crowd=EVERYBODYS, crowd_weights=[4, 2], how=how)
    torch.testing.assert_close(embed(tower, crowded), plain, **TOLERANCE)
    apart = ImageProfile.of(TARGET, LIKED, WEIGHTS, crowd=EVERYBODYS, how=how)
    assert (embed(tower, apart) - plain).abs().max() > 1e-3
    other_alpha = replace(apart, how=replace(how, alpha=0.1))
    assert torch.equal(embed(tower, apart), embed(tower, other_alpha))


def test_contrast_by_the_mean_is_its_equation():
    tower, how = TOWERS["CLIP, projected"], ImagePersonalization(contrast=0.8)
    profile = ImageProfile.of(TARGET, LIKED, WEIGHTS, crowd=EVERYBODYS, crowd_weights=[1.0, 3.0], how=how)
    target, *others = tower.embed([profile.target, *profile.references, *profile.crowd])
    liked = sum(weight * one for weight, one in zip(WEIGHTS, others[:3], strict=True)) / sum(WEIGHTS)
    crowd = 0.25 * others[3] + 0.75 * others[4]
    torch.testing.assert_close(embed(tower, profile)[0], target + 0.8 * (liked - crowd), **TOLERANCE)


def test_attention_in_no_layer_is_the_plain_picture(tower):
    how = ImagePersonalization(method="attention", skip_layers=(0, 1, 2))
    plain = embed(tower, ImageProfile.of(TARGET))
    assert torch.equal(embed(tower, ImageProfile.of(TARGET, LIKED, how=how)), plain)


def test_the_embedding_of_no_picture_is_that_of_zeros():
    with torch.no_grad():
        own = clip_vision()(torch.zeros(1, 3, 16, 16)).image_embeds
    torch.testing.assert_close(TOWERS["CLIP, projected"].embed_zeros(), own, **TOLERANCE)


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [([1.0], "as many as the image references"), ([1.0, 2.0, 0.0], "must be above 0")],
)
def test_weights_that_say_nothing_are_refused(weights, sentence):
    with pytest.raises(RequestError, match=sentence):
        ImageProfile.of(TARGET, LIKED, weights)


def test_what_a_picture_does_not_show_is_not_told_of_it():
    how = ImagePersonalization(method="mean")
    plain = ImageProfile.of(TARGET, how=how).describe()
    assert plain == ImageProfile.of(TARGET, how=replace(how, alpha=0.1, method="attention")).describe()
    moved = ImageProfile.of(TARGET, LIKED, how=how)
    assert moved.describe() == replace(moved, how=replace(how, skip_layers=(2,))).describe()
    assert moved.describe() == replace(moved, crowd=moved.references, crowd_weights=(1.0,) * 3).describe()
    assert moved.describe() != replace(moved, how=replace(how, alpha=0.1)).describe()
    assert moved.describe() != replace(moved, how=replace(how, method="attention")).describe()
    contrasted = replace(moved, crowd=(moved.target,), crowd_weights=(1.0,), how=replace(how, contrast=1.0))
    assert contrasted.describe() == replace(contrasted, how=replace(contrasted.how, alpha=0.1)).describe()
    assert contrasted.describe() != replace(contrasted, crowd=moved.references[:1]).describe()


def test_what_was_seen_before_is_taken_as_it_was_where_the_family_takes_one_embedding():
    tower = TOWERS["CLIP, projected"]
    plain = [Picture.of(one) for one in (TARGET, *LIKED)]
    seen = tower.embed(plain).numpy()
    fresh = ProjectedClip(clip_vision(), clip_processor(), KeyValueCache(2**26))
    known = [Picture(one.digest, None, vector) for one, vector in zip(plain, seen, strict=True)]
    profiles = [
        ImageProfile(target=target, references=tuple(liked), weights=tuple(WEIGHTS))
        for target, *liked in (plain, known)
    ]
    assert torch.equal(embed(tower, profiles[0]), embed(fresh, profiles[1]))
    assert fresh.embedding_width == seen.shape[1]


def test_a_family_that_takes_all_patches_looks_at_a_picture_whatever_was_kept():
    tower = TOWERS["SigLIP, patches"]
    assert tower.embedding_width is None
    known = Picture("kept", None, np.ones(3, np.float32))
    with pytest.raises(RequestError, match="images must be given as pictures: this pipeline looks at them"):
        embed(tower, ImageProfile(target=known))
    shown = Picture("shown", TARGET.convert("RGB"), np.ones(3, np.float32))
    assert torch.equal(embed(tower, ImageProfile(target=shown)), embed(tower, ImageProfile.of(TARGET)))
