"""The contract that is shipped holds of families of each kind, and sees what breaks it."""

import pytest
import torch

from fan_model import Personalizer
from fan_model.testing.family_contract import FamilyContract
from tests.fan_model import pipelines
from tests.fan_model.language_pipelines import LANGUAGE_FAMILIES

SMALL = {"num_inference_steps": 2, "guidance_scale": 1.0, "height": 32, "width": 32}


class TestStableDiffusion(FamilyContract):
    drawing = SMALL

    def make_pipeline(self):
        return pipelines.stable_diffusion()


class TestFlux(FamilyContract):
    drawing = SMALL

    def make_pipeline(self):
        return pipelines.FAMILIES["FLUX"]()


class TestSana(FamilyContract):
    drawing = SMALL
    own_call = {"use_resolution_binning": False}

    def make_pipeline(self):
        return LANGUAGE_FAMILIES["Sana"]()


class Leaky(Personalizer):
    """Gives everybody of a batch what the first user likes."""

    def personalize(self, requests, options):
        return super().personalize([requests[0]] * len(requests), options)


class Deaf(Personalizer):
    """Hears no reference."""

    def personalize(self, requests, options):
        return super().personalize([type(one)(prompt=one.prompt, seed=one.seed) for one in requests], options)


class Drifting(Personalizer):
    """Never says the same twice."""

    def condition(self, *args, **options):
        found = super().condition(*args, **options)
        return {name: value + torch.rand(1) for name, value in found.items()}


@pytest.mark.parametrize(
    ("broken", "test", "sentence"),
    [
        (Leaky, "test_a_user_never_sees_what_another_likes", "assert"),
        (Deaf, "test_order_and_scale_of_weights_change_nothing", "assert"),
        (Drifting, "test_references_equal_to_the_target_change_nothing", "Tensor-likes are not close"),
        (Drifting, "test_references_that_are_the_crowds_change_nothing", "Tensor-likes are not close"),
    ],
)
def test_the_contract_sees_a_family_that_breaks_it(broken, test, sentence):
    contract = TestStableDiffusion()
    with pytest.raises(AssertionError, match=sentence):
        getattr(contract, test)(broken(pipelines.stable_diffusion()))
