"""A pipeline in memory takes on references, whatever its family."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fan_model.drawing.personalizer import Personalizer
from fan_model.method.selection_policy import SelectionPolicy
from fan_model.request_errors import RequestError
from tests.fan_model.pipelines import FAMILIES, flux, stable_diffusion, strict_stable_diffusion

REFERENCES, WEIGHTS = ["pastel watercolor", "neon sci-fi", "flat"], [2.0, 1.0, 1.0]
TINY = {"num_inference_steps": 1, "height": 16, "width": 16}
PERSONALIZER = Personalizer(stable_diffusion())


@pytest.fixture(scope="module", params=FAMILIES)
def pipeline(request):
    pipeline = FAMILIES[request.param]()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def pixels(image):
    return np.asarray(image, np.int16)


def test_a_condition_is_what_the_pipeline_takes(pipeline):
    personalizer = Personalizer(pipeline)
    condition = personalizer.condition("western", REFERENCES, WEIGHTS, alpha=0.5)
    image = pipeline(**condition, **TINY, generator=torch.Generator().manual_seed(3)).images[0]
    drawn = personalizer.draw("western", REFERENCES, WEIGHTS, alpha=0.5, seed=3, guidance_scale=7.5, **TINY)
    assert image.size == drawn.size == (16, 16)
    if type(pipeline).__name__ == "StableDiffusionPipeline":  # 7.5 is its own default
        assert abs(pixels(image) - pixels(drawn)).max() <= 1


def test_without_references_it_is_the_pipelines_own_prompt(pipeline):
    condition = Personalizer(pipeline).condition("western")
    own, given_embeds = (
        pipeline(**prompt, **TINY, generator=torch.Generator().manual_seed(3)).images[0]
        for prompt in ({"prompt": "western"}, condition)
    )
    assert abs(pixels(own) - pixels(given_embeds)).max() <= 1


def test_words_are_kept_where_they_can_be_told_from_what_follows(pipeline):
    personalizer = Personalizer(pipeline)
    if personalizer.conditioner.keeps_words:
        moved, kept = (
            personalizer.condition("western", REFERENCES, alpha=0.5, keep_words=keeps)["prompt_embeds"]
            for keeps in (False, True)
        )
        assert not torch.equal(moved, kept)
        return
    with pytest.raises(RequestError, match="keep_words must be false: this pipeline reads with a language"):
        personalizer.condition("western", REFERENCES, keep_words=True)


def test_references_and_the_negative_prompt_move_the_condition(pipeline):
    personalizer = Personalizer(pipeline)
    plain, personal = (personalizer.condition("western", given, alpha=0.5) for given in ([], REFERENCES))
    assert not torch.allclose(plain["prompt_embeds"], personal["prompt_embeds"], atol=1e-4)
    if "negative_prompt_embeds" not in plain:
        with pytest.raises(RequestError, match="negative_prompt must be empty"):
            personalizer.condition("western", negative_prompt="noir")
        return
    avoided = personalizer.condition("western", negative_prompt="noir")
    assert not torch.allclose(plain["negative_prompt_embeds"], avoided["negative_prompt_embeds"], atol=1e-4)
    assert torch.equal(plain["prompt_embeds"], avoided["prompt_embeds"])


@settings(max_examples=10)
@given(st.lists(st.tuples(st.sampled_from(["western", "noir"]), st.integers(0, 3)), min_size=1, max_size=4))
def test_a_batch_is_what_each_of_its_prompts_gives_alone(asked):
    prompts = [prompt for prompt, _ in asked]
    references = [REFERENCES[:number] for _, number in asked]
    weights = [WEIGHTS[:number] for _, number in asked]
    together = PERSONALIZER.condition(prompts, references, weights, alpha=0.5)
    for place in range(len(asked)):
        alone = PERSONALIZER.condition(prompts[place], references[place], weights[place], alpha=0.5)
        for name in alone:
            torch.testing.assert_close(together[name][place], alone[name][0], rtol=0, atol=1e-5)


def test_several_prompts_are_a_list_of_pictures_with_the_pixels_of_each():
    prompts, references, seeds = ["western", "noir"], [REFERENCES, []], [3, 4]
    together = PERSONALIZER.draw(prompts, references, seed=seeds, **TINY)
    for place, image in enumerate(together):
        alone = PERSONALIZER.draw(prompts[place], references[place], seed=seeds[place], **TINY)
        assert np.array_equal(pixels(image), pixels(alone))
    one_seed = PERSONALIZER.draw(["western", "western"], seed=5, **TINY)
    assert np.array_equal(pixels(one_seed[0]), pixels(one_seed[1]))


def test_without_a_prompt_a_selection_is_near_to_all_of_the_history():
    history = {"western noir": 9.0, "western": 8.0, "neon ink on rice paper by night": 1e-3}
    kept = PERSONALIZER.select(history, 1)
    assert len(kept) == 1
    assert kept.items() <= history.items()
    assert "neon ink on rice paper by night" not in kept
    assert (
        PERSONALIZER.select({text: 2 * weight for text, weight in history.items()}, 1).keys() == kept.keys()
    )


def test_without_a_prompt_a_selection_is_near_to_what_of_the_history_is_liked_most():
    history = {"flat": 5.0, "harbour": 3.0, "western": 3.0}
    vectors, weights = PERSONALIZER.encode_texts([*history]), [*history.values()]
    most_liked, middle = (
        SelectionPolicy().select(vectors.mean(counted), vectors, weights).indices
        for counted in (weights, [1.0] * 3)
    )
    assert [*history][most_liked[0]] == "flat" != [*history][middle[0]]
    assert PERSONALIZER.select(history, 1) == {"flat": 5.0}


def test_a_model_that_knows_no_negative_prompt_refuses_one_at_any_guidance():
    with pytest.raises(RequestError, match="negative_prompt must be empty"):
        Personalizer(flux()).draw("western", negative_prompt="noir", guidance_scale=3.0, **TINY)


def test_a_selection_is_relevant_has_its_weights_and_can_be_drawn():
    history = {f"taste {number}": 1.0 + number for number in range(8)}
    kept = PERSONALIZER.select(history, 3, prompt="western")
    assert len(kept) == 3
    assert kept.items() <= history.items()
    assert PERSONALIZER.select(list(history), 99, prompt="western") == dict.fromkeys(history, 1.0)
    assert PERSONALIZER.select(list(history), 99) == dict.fromkeys(history, 1.0)
    selected = PERSONALIZER.draw("western", list(history), list(history.values()), num_references=3, **TINY)
    drawn = PERSONALIZER.draw("western", list(kept), list(kept.values()), **TINY)
    assert np.array_equal(pixels(selected), pixels(drawn))


@pytest.mark.parametrize("weight", [-1.0, 0.0, float("nan"), float("inf"), "1"])
@pytest.mark.parametrize("kept", [1, 2, 3])
def test_a_selection_of_any_size_refuses_weights_that_no_preference_has(weight, kept):
    with pytest.raises(RequestError, match="weights must be finite numbers above 0"):
        PERSONALIZER.select({"a": weight, "b": 1}, kept)


def test_a_selections_size_and_weights_may_be_numbers_of_numpy():
    assert PERSONALIZER.select({"a": np.float32(2), "b": np.int64(1)}, np.int64(2)) == {"a": 2, "b": 1}
    assert PERSONALIZER.select(np.array(["a", "b"]), 5) == {"a": 1.0, "b": 1.0}


def test_columns_may_be_arrays_and_a_seed_a_number_of_numpy():
    prompts, references = ["western", "noir"], [["neon", "flat"], ["pastel", "flat"]]
    weights = [[1.0, 2.0], [1.0, 1.0]]
    lists = PERSONALIZER.condition(prompts, references, weights)
    arrays = PERSONALIZER.condition(np.array(prompts), np.array(references), np.array(weights))
    assert torch.equal(lists["prompt_embeds"], arrays["prompt_embeds"])
    plain = PERSONALIZER.condition(prompts, np.array([]), np.array([]))
    assert torch.equal(plain["prompt_embeds"], PERSONALIZER.condition(prompts)["prompt_embeds"])
    drawn = (PERSONALIZER.draw(prompts, seed=seed, **TINY) for seed in (3, np.int64(3)))
    for own, numpys in zip(*drawn, strict=True):
        assert np.array_equal(pixels(own), pixels(numpys))


def test_no_prompts_are_no_pictures():
    assert PERSONALIZER.draw([]) == []


def test_the_pipeline_itself_stays_as_it_is():
    pipeline = stable_diffusion()
    before = {name: type(part) for name, part in pipeline.components.items()}
    scheduler, attention = pipeline.scheduler, pipeline.text_encoder.config._attn_implementation
    Personalizer(pipeline).draw("western", REFERENCES, **TINY)
    assert {name: type(part) for name, part in pipeline.components.items()} == before
    assert pipeline.scheduler is scheduler
    assert pipeline.text_encoder.config._attn_implementation == attention


def test_what_the_safety_checker_refuses_is_no_picture():
    assert Personalizer(strict_stable_diffusion()).draw("western", num_inference_steps=1) is None


@pytest.mark.parametrize(
    ("work", "sentence"),
    [
        (lambda one: one.condition("western", ["x"], alpha=2.0), "alpha must be a number from 0 to 1"),
        (lambda one: one.condition(" "), "prompt must be a text of 1 to 2000 characters"),
        (lambda one: one.condition("western", "pastel"), "references must be a list"),
        (lambda one: one.condition(["a", "b"], [["x"]]), "references must be as many as the prompts"),
        (lambda one: one.condition("western", ["x", "y"], [1.0]), "1 weights and 2 references"),
        (lambda one: one.draw(["a", "b"], seed=[1]), "seed must be as many as the prompts"),
        (lambda one: one.condition([]), "prompt must be at least one text"),
        (lambda one: one.draw(["a", "b"], seed=1.5), "seed must be a whole number"),
        (lambda one: one.select(["a"], 0), "num_references must be a whole number from 1 to 1000$"),
        (lambda one: one.select(["a"], True), "num_references must be a whole number from 1 to 1000$"),
        (lambda one: one.select(["a"], 1.5), "num_references must be a whole number from 1 to 1000$"),
        (lambda one: one.select("abc", 2), "history must be a list of texts"),
        (lambda one: one.select([1, 2], 2), "history must be a list of texts"),
        (lambda one: one.select(3, 2), "history must be a list of texts"),
        (lambda one: one.select(["a", ""], 1), "each text of history must be a text of 1 to 2000 characters"),
        (lambda one: one.select(["a", "b" * 2001], 1), "each text of history must be a text of 1 to 2000"),
        (lambda one: one.select(["a", "b"], 1, prompt=5), "^prompt must be a text of 1 to 2000 characters"),
        (lambda one: one.select(["a", "b"], 1, prompt=" "), "^prompt must be a text of 1 to 2000 characters"),
        (lambda one: one.condition(None, ["a"]), "prompt must be a text, or a list of texts"),
        (lambda one: one.condition(5), "prompt must be a text, or a list of texts"),
        (lambda one: one.condition({"a": 1}), "prompt must be a text, or a list of texts"),
        (lambda one: one.draw(None), "prompt must be a text, or a list of texts"),
        (lambda one: one.draw(["a", "b"], 5), "references must be as many as the prompts, one for each"),
        (lambda one: one.draw(["a", "b"], weights=5), "weights must be as many as the prompts, one for each"),
        (lambda one: one.draw("a", images=5), "images must be an ImageProfile for each prompt"),
        (lambda one: one.draw("a", start="a.png"), "start must be a PIL image.* with PIL.Image.open"),
        (lambda one: one.draw("a", start=[5]), "start must be a PIL image"),
        (lambda one: one.draw("a", start=5), "start must be a PIL image"),
        (
            lambda one: one.draw("a", start=Image.new("RGB", (16, 16)), strength="x"),
            "strength must be above 0 and at most 1",
        ),
        (lambda one: one.draw("a", steps=3), "params must have no fields but alpha"),
        (lambda one: one.draw("a", height=13), "height must be a multiple of"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_sentence(work, sentence):
    with pytest.raises(RequestError, match=sentence):
        work(PERSONALIZER)


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, "2", True, None])
def test_so_many_pictures_as_cannot_be_drawn_at_a_time_are_refused_at_once(batch_size):
    with pytest.raises(RequestError, match="batch_size must be a whole number of at least 1"):
        Personalizer(PERSONALIZER.pipeline, batch_size=batch_size)
