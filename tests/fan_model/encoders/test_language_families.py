"""What must hold of every family that reads prompts with a language model, on whole saved pipelines."""

import io
import threading
from dataclasses import replace

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from fan_model import (
    Artist,
    ArtworkRequest,
    DrawingOptions,
    Personalization,
    Personalizer,
    RequestError,
)
from fan_model.encoders.conditioners import build_conditioner
from fan_model.encoders.families import FAMILIES
from fan_model.encoders.key_value_cache import KeyValueCache
from fan_model.encoders.text_encoders import Profile
from fan_model.method.crowd_contrast import Crowd
from tests.fan_model.language_pipelines import LANGUAGE_FAMILIES
from tests.marks import some_of

TARGET = "western film poster"
SHORTER, LONGER = "neon", "a long tale of two towns, watercolor, in pastel and in the rain at night"
PROFILES = [
    Profile(TARGET, (SHORTER, LONGER), (2.0, 1.0)),
    Profile("a comedy", (LONGER,), (1.0,)),
    Profile("drama of war"),
]
HOW = Personalization(alpha=0.5)
CLOSE = {"rtol": 0, "atol": 2e-5}
SIZE = {"num_inference_steps": 2, "height": 32, "width": 32}
AS_ASKED = {"use_resolution_binning": False}
OWN_CALL = {
    "Z-Image": {"guidance_scale": 2.5},
    "FLUX.2": {"guidance_scale": 3.5},
    "Qwen-Image": {"true_cfg_scale": 3.5, "negative_prompt": ""},
    "Sana": {"guidance_scale": 3.5, **AS_ASKED},
    "PixArt alpha": {"guidance_scale": 3.5, **AS_ASKED},
    "PixArt sigma": {"guidance_scale": 3.5, **AS_ASKED},
}
"""How a family's own call is asked for what our guidance of 3.5 is."""


@pytest.fixture(scope="module", params=some_of(LANGUAGE_FAMILIES, "Z-Image", "PixArt alpha", "Lumina 2"))
def saved(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipeline")
    LANGUAGE_FAMILIES[request.param]().save_pretrained(folder)
    return request.param, folder


@pytest.fixture(scope="module")
def pipeline(saved):
    pipeline = diffusers.DiffusionPipeline.from_pretrained(saved[1], local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def family(saved):
    return next(family for family in FAMILIES if family.name == saved[0])


@pytest.fixture(scope="module")
def conditioner(pipeline):
    return build_conditioner(pipeline, KeyValueCache(2**26))


@torch.no_grad()
def encoded_by_the_pipeline(pipeline, family, text, **options):
    """What its `encode_prompt` gives, by the names of its call; it is asked as the call asks it."""
    if family.name == "Sana":
        call = type(pipeline).__call__.__wrapped__.__defaults__
        instruction = next(value for value in call if isinstance(value, list) and "Enhanced" in str(value))
        options |= {"complex_human_instruction": instruction}
    given = pipeline.encode_prompt([text], device="cpu", **options)
    named = dict(zip(family.prompt_call.outputs, given, strict=False))
    return {name: value for name, value in named.items() if name is not None and value is not None}


def states(condition):
    """One after another, [n, w] each, whether the family joins them or not."""
    return list(condition.prompt_embeds)


def personalize(conditioner, target, references, weights, how=HOW, crowd=None):
    profile = Profile(target, references, weights, crowd or Crowd())
    return conditioner.personalize([profile], how).prompt_embeds[0]


@pytest.mark.parametrize("text", [TARGET, "", LONGER * 8])
def test_a_plain_condition_is_the_pipelines_own(pipeline, family, conditioner, text):
    condition = conditioner.personalize([Profile(text)], HOW).arguments
    for name, value in encoded_by_the_pipeline(pipeline, family, text).items():
        if not name.startswith("negative_"):
            torch.testing.assert_close(condition[name][0], value[0], **CLOSE)


def test_words_beyond_what_the_pipeline_reads_are_counted_and_change_nothing(conditioner):
    words, more = "storm " * 3000, "storm " * 3100
    short, unread, further = conditioner.count_unread([TARGET, words, more])
    assert short == 0
    assert 0 < unread < further
    torch.testing.assert_close(states(conditioner.encode([words]))[0], states(conditioner.encode([more]))[0])


def test_a_negative_condition_is_the_pipelines_own(pipeline, family, conditioner):
    if not conditioner.takes_negative_prompt:
        return
    condition = conditioner.encode_negative("noir, blurred").arguments
    if family.prompt_call.encodes_negatives:
        options = {"negative_prompt": ["noir, blurred"], "do_classifier_free_guidance": True}
        own = encoded_by_the_pipeline(pipeline, family, "", **options)
        own = {name.removeprefix("negative_"): own[name] for name in own if name.startswith("negative_")}
    else:
        own = encoded_by_the_pipeline(pipeline, family, "noir, blurred")
        own = {name: value for name, value in own.items() if not name.startswith("negative_")}
    assert own
    for name, value in own.items():
        torch.testing.assert_close(condition[name][0], value[0], **CLOSE)


def test_references_equal_to_the_target_change_nothing(conditioner):
    plain = conditioner.encode([TARGET]).prompt_embeds[0]
    for how in (Personalization(alpha=0.7), Personalization(alpha=1.0, skip_layers=())):
        same = personalize(conditioner, TARGET, (TARGET, TARGET), (1.0, 3.0), how)
        torch.testing.assert_close(same, plain, **CLOSE)


@pytest.mark.parametrize("reference", [SHORTER, LONGER])
def test_a_shorter_and_a_longer_reference_move_the_condition_and_alpha_0_does_not(conditioner, reference):
    plain = conditioner.encode([TARGET]).prompt_embeds[0]
    moved = personalize(conditioner, TARGET, (reference,), (1.0,))
    assert torch.isfinite(moved).all()
    assert (moved - plain).abs().max() > 1e-2
    unmoved = personalize(conditioner, TARGET, (reference,), (1.0,), Personalization(alpha=0.0))
    torch.testing.assert_close(unmoved, plain, **CLOSE)


def test_scale_and_order_of_weights_change_nothing(conditioner):
    one = personalize(conditioner, TARGET, (SHORTER, LONGER), (2.0, 1.0))
    other = personalize(conditioner, TARGET, (LONGER, SHORTER), (7.0, 14.0))
    torch.testing.assert_close(one, other, **CLOSE)
    equal = personalize(conditioner, TARGET, (SHORTER, LONGER), (1.0, 1.0))
    assert (one - equal).abs().max() > 1e-3


def test_a_condition_is_the_same_alone_and_in_a_batch_to_the_last_bit(conditioner):
    together = conditioner.personalize(PROFILES, HOW)
    for place, profile in enumerate(PROFILES):
        alone = conditioner.personalize([profile], HOW)
        (own,) = states(alone)
        assert torch.equal(states(together)[place][: len(own)], own)
        assert torch.equal(together.tokens[place], alone.tokens[0])


def test_skipping_every_layer_is_the_plain_condition(conditioner):
    how = Personalization(alpha=1.0, skip_layers=tuple(range(40)))
    skipped = personalize(conditioner, TARGET, (SHORTER,), (1.0,), how)
    assert torch.equal(skipped, conditioner.encode([TARGET]).prompt_embeds[0])


def test_the_target_query_matters(conditioner):
    with_it = personalize(conditioner, TARGET, (SHORTER,), (1.0,))
    without = personalize(conditioner, TARGET, (SHORTER,), (1.0,), replace(HOW, target_query=False))
    assert with_it.shape != without.shape or not torch.allclose(with_it, without, atol=1e-3)


def test_references_that_are_the_crowds_give_the_plain_condition(conditioner):
    how = Personalization(contrast=0.8, skip_layers=())
    crowd = Crowd((SHORTER, LONGER), (0.75, 0.25))
    alike = personalize(conditioner, TARGET, (SHORTER, LONGER), (3.0, 1.0), how, crowd)
    plain = conditioner.encode([TARGET]).prompt_embeds[0]
    torch.testing.assert_close(alike, plain, **CLOSE)
    other = personalize(conditioner, TARGET, ("pastel",), (1.0,), how, crowd)
    assert (other - plain).abs().max() > 1e-3


@pytest.mark.whole
def test_two_threads_at_once_give_what_each_gives_alone(conditioner):
    alone = [states(conditioner.personalize([profile], HOW))[0] for profile in PROFILES[:2]]
    found, start = {}, threading.Barrier(2)

    def work(place):
        start.wait()
        found[place] = [states(conditioner.personalize([PROFILES[place]], HOW))[0] for _ in range(3)]

    threads = [threading.Thread(target=work, args=(place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(one, alone[place]) for place in range(2) for one in found[place])


@pytest.mark.whole
def test_what_a_template_begins_with_is_kept_once_and_the_budget_is_kept(pipeline, family):
    if not family.prompt_call.is_causal or family.name == "CogView 4":  # they have no template
        return
    cache = KeyValueCache(2**26)
    conditioner = build_conditioner(pipeline, cache)
    personalize(conditioner, TARGET, (SHORTER, LONGER), (1.0, 1.0))
    recorded = conditioner._record([TARGET, SHORTER, LONGER], 1)
    assert all(one.num_shared for one in recorded.values())
    assert cache.num_bytes == sum(
        one.num_bytes for one in conditioner._record(["", TARGET, SHORTER, LONGER], 1).values()
    )
    small = KeyValueCache(recorded[TARGET].num_bytes)
    tight = build_conditioner(pipeline, small)
    torch.testing.assert_close(
        personalize(tight, TARGET, (SHORTER, LONGER), (1.0, 1.0)),
        personalize(conditioner, TARGET, (SHORTER, LONGER), (1.0, 1.0)),
        **CLOSE,
    )
    assert small.num_bytes <= small.max_bytes


def test_vectors_are_of_the_texts_own_tokens(conditioner):
    shorter, longer = (conditioner.encode([text]) for text in (SHORTER, LONGER))
    assert len(shorter.tokens[0]) < len(longer.tokens[0])
    vectors = longer.vectors()
    assert len(vectors) == 1
    assert np.allclose(np.linalg.norm(vectors.unit_mean_tokens, axis=1), 1)


def pixels(artwork):
    return np.asarray(Image.open(io.BytesIO(artwork.image)).convert("RGB"), np.int16)


@pytest.mark.whole
def test_a_saved_folder_draws_pictures_that_do_not_depend_on_their_batch(saved):
    artist = Artist.load(saved[1])
    options = DrawingOptions(alpha=0.5, **SIZE)
    requests = [
        ArtworkRequest(prompt=TARGET, references=(SHORTER, LONGER), weights=(2.0, 1.0), seed=3),
        ArtworkRequest(prompt="a comedy", references=(LONGER,), seed=4),
    ]
    together = artist.draw(requests, options)
    alone = [artist.draw([request], options)[0] for request in requests]
    assert [one.image for one in together] == [one.image for one in alone]
    plain = artist.draw([replace(requests[0], references=(), weights=None)], options)[0]
    assert abs(pixels(plain) - pixels(alone[0])).max() > 0
    assert pixels(plain).shape == (32, 32, 3)


@pytest.mark.whole
def test_a_plain_picture_is_the_pipelines_own(saved, pipeline):
    drawn = Personalizer(pipeline).draw(TARGET, seed=3, guidance_scale=3.5, **SIZE)
    own_call = OWN_CALL.get(saved[0], {"guidance_scale": 3.5})
    own = pipeline(prompt=TARGET, generator=torch.Generator().manual_seed(3), **SIZE, **own_call).images[0]
    assert abs(np.asarray(drawn, np.int16) - np.asarray(own, np.int16)).max() <= 1


def test_a_condition_is_what_the_pipeline_takes(pipeline, family):
    personalizer = Personalizer(pipeline)
    prompts, references = [TARGET, "a comedy"], [[SHORTER], []]
    if family.prompt_call.takes_one_prompt:
        with pytest.raises(RequestError, match="prompt must be one"):
            personalizer.condition(prompts, references)
        prompts, references = prompts[:1], references[:1]
    condition = personalizer.condition(prompts, references, alpha=0.5)
    sides = AS_ASKED if family.name.startswith(("Sana", "PixArt")) else {}
    generators = [torch.Generator().manual_seed(seed) for seed in range(len(prompts))]
    images = pipeline(**condition, **SIZE, **sides, generator=generators).images
    assert [image.size for image in images] == [(32, 32)] * len(prompts)


def test_references_are_selected(pipeline):
    assert len(Personalizer(pipeline).select([SHORTER, LONGER, "pastel"], 2, prompt=TARGET)) == 2


def test_fewer_steps_than_a_pipeline_can_do_are_refused():
    personalizer = Personalizer(LANGUAGE_FAMILIES["PixArt alpha"]())
    with pytest.raises(RequestError, match="num_inference_steps must be at least 2"):
        personalizer.draw(TARGET, num_inference_steps=1, height=32, width=32)
