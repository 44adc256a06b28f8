import io
from dataclasses import replace

import diffusers
import pytest
import torch
from PIL import Image, ImageChops

from fan_model.drawing.artist import Artist
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions
from fan_model.encoders.conditioners import build_conditioner
from fan_model.encoders.key_value_cache import KeyValueCache
from fan_model.encoders.text_encoders import Profile
from fan_model.loading.execution import Execution
from fan_model.loading.pipeline_files import absent_components
from fan_model.method.crowd_contrast import Crowd
from fan_model.method.personalization import Personalization
from fan_model.request_errors import RequestError
from tests.fan_model.pipelines import FAMILIES
from tests.marks import some_of

TEXTS = ["western film poster", "a long tale of two towns", ""]
PROFILES = [
    Profile("western film poster", ("pastel watercolor", "neon sci-fi"), (2.0, 1.0)),
    Profile("a long tale of two towns", ("pastel watercolor",), (1.0,)),
]


@pytest.fixture(scope="module", params=some_of(FAMILIES, "SD", "SD 3 without T5", "FLUX"))
def saved(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipeline")
    FAMILIES[request.param]().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def pipeline(saved):
    return diffusers.DiffusionPipeline.from_pretrained(saved, **dict.fromkeys(absent_components(saved)))


@pytest.fixture(scope="module")
def conditioner(pipeline):
    return build_conditioner(pipeline, KeyValueCache(2**24))


@torch.no_grad()
def encoded_by_the_pipeline(pipeline, texts):
    """Its `prompt_embeds` and `pooled_prompt_embeds`, whatever the signature of its `encode_prompt`."""
    if isinstance(pipeline, diffusers.StableDiffusionPipeline):
        return pipeline.encode_prompt(texts, "cpu", 1, False)[0], None
    if isinstance(pipeline, diffusers.FluxPipeline):
        return pipeline.encode_prompt(texts, None)[:2]
    others = {"prompt_3": None} if isinstance(pipeline, diffusers.StableDiffusion3Pipeline) else {}
    embeds = pipeline.encode_prompt(texts, prompt_2=None, do_classifier_free_guidance=False, **others)
    return embeds[0], embeds[2]


def assert_same(condition, expected, **tolerance):
    embeds, pooled = expected
    torch.testing.assert_close(condition.prompt_embeds, embeds, **tolerance)
    if pooled is None:
        assert condition.pooled_prompt_embeds is None
    else:
        torch.testing.assert_close(condition.pooled_prompt_embeds, pooled, **tolerance)


def test_plain_condition_is_the_pipelines_own(pipeline, conditioner):
    expected = encoded_by_the_pipeline(pipeline, TEXTS)
    assert_same(conditioner.encode(TEXTS), expected, rtol=0, atol=1e-5)


def test_words_beyond_what_the_encoders_read_are_counted_and_change_nothing(conditioner):
    words, more = "storm " * 3000, "storm " * 3100
    *short, unread, further = conditioner.count_unread([*TEXTS, words, more])
    assert short == [0, 0, 0]
    assert 0 < unread < further
    assert torch.equal(conditioner.encode([words]).prompt_embeds, conditioner.encode([more]).prompt_embeds)


def test_condition_without_references_is_the_pipelines_own(pipeline, conditioner):
    condition = conditioner.personalize([Profile(text) for text in TEXTS], Personalization())
    assert_same(condition, encoded_by_the_pipeline(pipeline, TEXTS), rtol=0, atol=1e-5)


def test_references_change_the_condition(conditioner):
    personalized = conditioner.personalize(PROFILES, Personalization(alpha=0.5))
    plain = conditioner.encode([profile.target for profile in PROFILES])
    assert (personalized.prompt_embeds - plain.prompt_embeds).abs().amax(dim=(1, 2)).min() > 1e-3


def test_skipping_every_layer_is_the_plain_condition(conditioner):
    everything = Personalization(alpha=1.0, skip_layers=tuple(range(12)))
    personalized = conditioner.personalize(PROFILES, everything)
    plain = conditioner.encode([profile.target for profile in PROFILES])
    torch.testing.assert_close(personalized.prompt_embeds, plain.prompt_embeds)


def test_half_precision_differs_by_its_rounding_only(saved, conditioner):
    half = Artist.load(saved, execution=Execution(dtype="float16"))
    request = ArtworkRequest(prompt="western film poster", references=("pastel watercolor",))
    condition = half.condition([request], DrawingOptions(alpha=0.5)).prompt_embeds
    full = conditioner.personalize(
        [Profile(request.prompt, request.references, (1.0,))], Personalization(alpha=0.5)
    ).prompt_embeds
    # T5 is bfloat16 beside float16: it overflows.
    has_t5 = "T5EncoderModel" in (saved / "model_index.json").read_text()
    assert (condition.dtype == torch.float16) != has_t5
    torch.testing.assert_close(condition.float(), full, rtol=0, atol=0.2 if has_t5 else 0.02)


CONTRASTED = Personalization(contrast=0.8, skip_layers=())


def contrast(conditioner, references, weights, crowd, how=CONTRASTED, targets=("western film poster",)):
    profiles = [Profile(target, references, weights, crowd) for target in targets]
    return conditioner.personalize(profiles, how)


def test_references_that_are_the_crowds_give_the_plain_condition_exactly(conditioner):
    texts, weights = ("pastel watercolor", "neon city"), (3.0, 1.0)
    alike = contrast(conditioner, texts, weights, Crowd(texts, (0.75, 0.25)))
    alone = conditioner.personalize([Profile("western film poster")], CONTRASTED)
    assert torch.equal(alike.prompt_embeds, alone.prompt_embeds)


def test_a_contrast_of_nothing_is_the_papers_method(conditioner):
    crowd = Crowd(("neon city",), (1.0,))
    paper = Personalization(alpha=0.4, skip_layers=())
    without = conditioner.personalize([Profile("western film poster", ("pastel",), (1.0,))], paper)
    for how, with_whom in ((paper, crowd), (replace(paper, contrast=0.8), Crowd())):
        same = contrast(conditioner, ("pastel",), (1.0,), with_whom, how)
        assert torch.equal(same.prompt_embeds, without.prompt_embeds)


def test_alpha_plays_no_part_in_a_contrast(conditioner):
    crowd = Crowd(("neon city",), (1.0,))
    one, other = (
        contrast(conditioner, ("pastel",), (1.0,), crowd, replace(CONTRASTED, alpha=alpha))
        for alpha in (0.1, 0.9)
    )
    assert torch.equal(one.prompt_embeds, other.prompt_embeds)


def test_a_contrast_changes_the_condition_by_how_far_it_goes(conditioner):
    crowd = Crowd(("neon city", "drama"), (2.0, 1.0))
    plain = conditioner.encode(["western film poster"]).prompt_embeds
    moved = [
        contrast(conditioner, ("pastel",), (1.0,), crowd, replace(CONTRASTED, contrast=how_far)).prompt_embeds
        for how_far in (0.2, 0.8)
    ]
    near, far = ((one - plain).norm().item() for one in moved)
    assert 0 < near < far


def test_a_contrast_does_not_depend_on_what_it_is_computed_with(conditioner):
    crowd = Crowd(("neon city", "drama"), (2.0, 1.0))
    targets = ("western film poster", "a comedy", "a war film of 1944")
    together = contrast(conditioner, ("pastel", "noir"), (1.0, 2.0), crowd, targets=targets).prompt_embeds
    for place, target in enumerate(targets):
        alone = contrast(conditioner, ("noir", "pastel"), (4.0, 2.0), crowd, targets=(target,))
        torch.testing.assert_close(alone.prompt_embeds[0], together[place], rtol=0, atol=1e-5)


def is_word(pipeline, condition, text):
    """Which states of a condition are those of a text's own words, and of the mark before them."""
    places = torch.zeros(condition.prompt_embeds.shape[1], dtype=torch.bool)
    begin = 0
    for tokenizer in read_by(pipeline):
        places[begin : begin + len(tokenizer(text).input_ids) - 1] = True
        begin += tokenizer.model_max_length
    return places


def read_by(pipeline):
    """The tokenizers of the encoders whose states follow each other in a condition."""
    if isinstance(pipeline, diffusers.FluxPipeline):
        return [pipeline.tokenizer_2]
    return [one for one in (pipeline.tokenizer, getattr(pipeline, "tokenizer_3", None)) if one is not None]


@pytest.mark.parametrize("changes", [{}, {"contrast": 0.8}, {"skip_layers": (0,)}])
def test_kept_words_are_the_plain_ones_and_all_else_is_as_without_keeping(pipeline, conditioner, changes):
    text, how = "western film poster", Personalization(**{"alpha": 0.5, "skip_layers": ()} | changes)
    profile = [Profile(text, ("pastel watercolor", "neon"), (2.0, 1.0), Crowd(("noir",), (1.0,)))]
    plain, moved = conditioner.encode([text]), conditioner.personalize(profile, how)
    kept = conditioner.personalize(profile, replace(how, keep_words=True))
    words = is_word(pipeline, kept, text)
    assert torch.equal(kept.prompt_embeds[0, words], plain.prompt_embeds[0, words])
    assert torch.equal(kept.prompt_embeds[0, ~words], moved.prompt_embeds[0, ~words])
    assert not torch.equal(kept.prompt_embeds[0, words], moved.prompt_embeds[0, words])
    if moved.pooled_prompt_embeds is not None:
        assert torch.equal(kept.pooled_prompt_embeds, moved.pooled_prompt_embeds)


def test_kept_words_do_not_depend_on_what_they_are_encoded_with(conditioner):
    how = Personalization(alpha=0.5, keep_words=True)
    together = conditioner.personalize(PROFILES, how).prompt_embeds
    for place, profile in enumerate(PROFILES):
        alone = conditioner.personalize([profile], how).prompt_embeds
        torch.testing.assert_close(alone[0], together[place], rtol=0, atol=1e-5)


def test_target_query_matters(conditioner):
    with_it, without_it = (
        conditioner.personalize(PROFILES, Personalization(target_query=flag)).prompt_embeds
        for flag in (True, False)
    )
    assert not torch.allclose(with_it, without_it, atol=1e-4)


@pytest.mark.whole
def test_each_family_draws_from_its_saved_folder(saved):
    artist = Artist.load(saved)
    request = ArtworkRequest(prompt="western", references=("pastel", "neon"), weights=(2.0, 1.0), seed=3)
    options = DrawingOptions(num_inference_steps=2, height=16, width=16)
    (artwork,) = artist.draw([request], options)
    assert Image.open(io.BytesIO(artwork.image)).size == (16, 16)
    assert artwork.weights_used == pytest.approx((1 / 3, 2 / 3))


def test_plain_picture_is_the_pipelines_own(saved, pipeline):
    (artwork,) = Artist.load(saved).draw(
        [ArtworkRequest(prompt="western", seed=3)], DrawingOptions(num_inference_steps=2, height=16, width=16)
    )
    guidance = {} if isinstance(pipeline, diffusers.FluxPipeline) else {"guidance_scale": 3.5}
    expected = pipeline(
        "western",
        num_inference_steps=2,
        height=16,
        width=16,
        generator=torch.Generator().manual_seed(3),
        **guidance,
    ).images[0]
    drawn = Image.open(io.BytesIO(artwork.image))
    difference = ImageChops.difference(drawn.convert("RGB"), expected.convert("RGB"))
    assert max(high for _, high in difference.getextrema()) <= 1


def test_a_negative_prompt_is_refused_where_the_pipeline_has_none(tmp_path):
    FAMILIES["FLUX"]().save_pretrained(tmp_path)
    with pytest.raises(RequestError, match="negative_prompt"):
        Artist.load(tmp_path).draw([ArtworkRequest(prompt="western")], DrawingOptions(negative_prompt="noir"))
