"""What each peer does that is its own: its paper's equation, on cases whose answer is known."""

import numpy as np
import pytest
import torch

from evaluation.peers.attributes import add_attributes, attribute_shares, attributes_of
from evaluation.peers.condition_mixing import add, weigh
from evaluation.peers.drum import Drum
from evaluation.peers.fabric import Fabric
from evaluation.peers.mean_of_conditions import MeanOfConditions, OneCondition
from evaluation.peers.pmg import Pmg
from evaluation.peers.tailored_visions import TailoredVisions
from evaluation.peers.viper import Viper
from evaluation.testing.peer_contract import ANN, make_case
from fan_model.encoders.conditions import Condition
from fan_model.method.selection_policy import SelectionPolicy
from tests.evaluation.peers.peer_cases import ORIGIN, Echo, make_adapter, make_artist, share_image_model
from tests.fan_model.pipelines import stable_diffusion_3

EVERYTHING = SelectionPolicy(fraction=1.0)


@pytest.fixture(scope="module")
def artist():
    return make_artist()


@pytest.fixture(scope="module")
def image_model(artist):
    return share_image_model(artist)


def test_attributes_are_the_words_after_the_name():
    assert attributes_of("Up, and Away (1999), Drama sci-fi film, drama in 1999") == (
        "away", "drama", "sci-fi", "film",
    )  # fmt: skip
    assert attributes_of("a red fox in ink") == ("red", "fox", "ink")


def test_attributes_are_ordered_by_the_weight_of_their_texts():
    shares = attribute_shares(["a, red ink", "b, red", "c, ink oil"], [1.0, 1.0, 2.0])
    assert shares == {"ink": 0.75, "red": 0.5, "oil": 0.5}
    assert list(shares) == ["ink", "red", "oil"]


def test_attributes_are_added_while_there_is_room():
    assert add_attributes("a dog", ["red", "purple", "ink"], 11) == "a dog, red"


def test_a_weighted_sum_of_conditions_is_taken_token_by_token():
    states, pooled = torch.arange(12.0).reshape(2, 3, 2), torch.tensor([[1.0], [5.0]])
    mixed = weigh(Condition.of_states(states, pooled), [0.25, 0.75])
    torch.testing.assert_close(mixed.prompt_embeds[0], 0.25 * states[0] + 0.75 * states[1])
    torch.testing.assert_close(mixed.pooled_prompt_embeds, torch.tensor([[4.0]]))


def test_a_condition_with_others_added_keeps_its_pooled_state():
    states, pooled = torch.arange(12.0).reshape(2, 3, 2), torch.tensor([[1.0], [5.0]])
    condition = Condition.of_states(states[:1], pooled[:1])
    moved = add(condition, Condition.of_states(states, pooled), [0.5, -0.25])
    torch.testing.assert_close(moved.prompt_embeds[0], 1.5 * states[0] - 0.25 * states[1])
    torch.testing.assert_close(moved.pooled_prompt_embeds, pooled[:1])


def test_the_mean_of_conditions_is_weighted_by_preference(artist, image_model):
    peer = MeanOfConditions(0.4, EVERYTHING)
    request = peer.plan(make_case(artist, texts=ANN[:2], weights=[3, 1]))
    assert dict(zip(request.liked, request.weights, strict=True)) == {ANN[0]: 0.75, ANN[1]: 0.25}
    plain = image_model.encode(["a dog", ANN[0], ANN[1]]).prompt_embeds
    expected = 0.6 * plain[0] + 0.3 * plain[1] + 0.1 * plain[2]
    torch.testing.assert_close(peer.condition(image_model, [request]).prompt_embeds[0], expected)


def test_one_condition_is_that_of_the_most_relevant_reference(artist):
    case = make_case(artist, prompt=ANN[2], weights=np.ones(4))
    assert OneCondition(0.4).plan(case).liked == (ANN[2],)
    heavy = make_case(artist, prompt=ANN[2], weights=[1, 1, 1, 50])
    assert OneCondition(0.4).plan(heavy).liked == (ANN[3],)


def test_drum_at_alpha_0_leaves_the_condition_and_the_references_order_does_not_matter(artist, image_model):
    case = make_case(artist)
    plain = image_model.encode(["a dog"]).prompt_embeds
    untouched = Drum(0.0, make_adapter(), ORIGIN, EVERYTHING)
    torch.testing.assert_close(untouched.condition(image_model, [untouched.plan(case)]).prompt_embeds, plain)
    peer = Drum(0.5, make_adapter(), ORIGIN, EVERYTHING)
    request = peer.plan(case)
    turned = request.__class__(
        prompt="a dog", seed=3, liked=request.liked[::-1], weights=request.weights[::-1]
    )
    one, other = (peer.condition(image_model, [some]).prompt_embeds for some in (request, turned))
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
    assert (one - plain).abs().max() > 0.01


def test_drum_selects_a_coreset_as_large_as_the_policy_says(artist):
    policy = SelectionPolicy(fraction=0.5)
    assert len(Drum(0.5, make_adapter(), ORIGIN, policy).plan(make_case(artist)).liked) == 2


def test_drum_says_what_it_costs():
    peer = Drum(0.5, make_adapter(), ORIGIN)
    assert (peer.num_parameters, peer.training_minutes) == (make_adapter().num_parameters, 1.5)


def test_tailored_visions_adds_what_the_closest_texts_have_in_common(artist):
    texts = ("dog, red ink", "dog, red oil", "dog, red fog", "x, gold")
    request = TailoredVisions(retrieval="bm25").plan(make_case(artist, "a dog", texts))
    assert request.prompt == "a dog, red, ink, oil, fog"


def test_tailored_visions_without_a_language_model_says_so_in_its_name():
    assert TailoredVisions().name == "Tailored Visions (rule-based merge)"
    assert (TailoredVisions(Echo()).name, TailoredVisions(Echo()).calls_per_target) == (
        "Tailored Visions (echo)",
        1,
    )


def test_tailored_visions_asks_for_as_many_words_as_its_authors_do(artist):
    asked = Echo()
    TailoredVisions(asked).plan(make_case(artist))
    assert "at most 70 words" in asked.asked[0]


def test_an_empty_answer_leaves_the_prompt_as_it_is(artist):
    silent = Echo()
    silent.answer = lambda _: "\n  \n"
    assert TailoredVisions(silent).plan(make_case(artist)).prompt == "a dog"


def test_pmg_writes_the_heaviest_keywords_of_recent_items(artist):
    recent = ("a, red ink", "b, red", "c, oil", "d, dog")
    old = ("z, gold",) * 20
    request = Pmg().plan(make_case(artist, texts=recent + old, weights=[4, 4, 2, 5, *[1] * 20]))
    assert request.prompt == "a dog, red, gold"


def test_pmg_writes_eight_keywords_at_most(artist):
    request = Pmg().plan(make_case(artist, texts=("a, one two three four five six seven eight nine",)))
    assert request.prompt == "a dog, one, two, three, four, five, six, seven, eight"


def test_viper_tells_liked_from_disliked_attributes_and_leaves_the_targets_own_alone(artist):
    case = make_case(
        artist, "a red dog", ("a, red ink", "b, ink oil", "c, fog oil"), [1, 1, 1], disliked=("c, fog oil",)
    )
    request = Viper().plan(case)
    assert request.liked == ("ink",)
    assert request.disliked == ("fog", "oil")
    assert request.prompt == "a red dog"


def test_viper_adds_liked_attributes_to_the_prompt_and_disliked_ones_to_the_negative_prompt(artist):
    image_model = share_image_model(artist, negative_prompt="a bog")
    request = Viper().plan(make_case(artist, disliked=ANN[3:]))
    lists = [", ".join(request.liked), ", ".join(request.disliked)]
    target, negative, liked, disliked = image_model.encode(["a dog", "a bog", *lists]).prompt_embeds
    for strength in (0.0, 0.3, 1.0):
        peer = Viper(strength)
        towards, away = peer.condition(image_model, [request]), peer.negative(image_model, [request])
        torch.testing.assert_close(towards.prompt_embeds[0], target + strength * liked)
        torch.testing.assert_close(away.prompt_embeds[0], negative + strength * disliked)


def test_viper_without_guidance_adds_what_liked_attributes_have_before_disliked_ones(artist):
    image_model = share_image_model(artist, guidance_scale=1)
    request = Viper().plan(make_case(artist, disliked=ANN[3:]))
    lists = [", ".join(request.liked), ", ".join(request.disliked)]
    target, liked, disliked = image_model.encode(["a dog", *lists]).prompt_embeds
    peer = Viper(0.3)
    towards = peer.condition(image_model, [request]).prompt_embeds[0]
    torch.testing.assert_close(towards, target + 0.3 * (liked - disliked))
    torch.testing.assert_close(
        peer.negative(image_model, [request]).prompt_embeds, image_model.encode_negative().prompt_embeds
    )


def test_a_list_that_viper_did_not_find_is_the_empty_text(artist):
    image_model = share_image_model(artist, guidance_scale=1)
    request = Viper().plan(make_case(artist))
    assert request.disliked == ()
    target, liked = image_model.encode(["a dog", ", ".join(request.liked)]).prompt_embeds
    nothing = image_model.encode_nothing().prompt_embeds[0]
    towards = Viper(0.3).condition(image_model, [request]).prompt_embeds[0]
    torch.testing.assert_close(towards, target + 0.3 * (liked - nothing))


def test_viper_is_as_strong_as_its_authors_published_it_unless_told_otherwise():
    assert Viper().strength == 0.85


def test_viper_reads_a_language_models_lists(artist):
    request = Viper(rewriter=Echo()).plan(make_case(artist))
    assert (request.liked, request.disliked) == (("red", "ink"), ("fog",))


def test_what_a_language_model_says_of_both_lists_viper_drops(artist):
    torn = Echo()
    torn.answer = lambda _: "likes: red, Ink, oil\ndislikes: ink, fog"
    request = Viper(rewriter=torn).plan(make_case(artist))
    assert (request.liked, request.disliked) == (("red", "oil"), ("fog",))


def test_fabric_takes_the_most_and_the_least_liked_items(artist):
    request = Fabric().plan(make_case(artist, weights=[1, 9, 5, 2], disliked=("a bog", ANN[1], "a log")))
    assert request.liked == (ANN[2], ANN[3])
    assert request.disliked == ("a bog", ANN[1])


def test_fabrics_disliked_pictures_need_guidance_and_change_what_is_drawn(artist):
    both = make_case(artist, disliked=("a bog",))
    liked = make_case(artist)

    def draw(image_model):
        peer = Fabric()
        return [
            np.asarray(picture) for picture in peer.draw(image_model, [peer.plan(both), peer.plan(liked)])
        ]

    guided, unguided = draw(share_image_model(artist)), draw(share_image_model(artist, guidance_scale=1))
    assert (guided[0] != guided[1]).any()
    np.testing.assert_array_equal(unguided[0], unguided[1])


def test_a_family_without_a_unet_leaves_fabric_out():
    image_model = share_image_model(make_artist(stable_diffusion_3()))
    assert Fabric().unfit(image_model) == "this family has no UNet"
    assert MeanOfConditions(0.5).unfit(image_model) is None
