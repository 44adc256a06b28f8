import pytest
import torch
from torch import nn

from fan_model.encoders.linear_layers import OneDnnLinear, multiply_by_one_dnn


def faster(linear):
    model = nn.Sequential(linear)
    multiply_by_one_dnn(model)
    return model[0]


@pytest.mark.parametrize("bias", [True, False])
def test_the_product_is_the_same(bias):
    linear, states = nn.Linear(96, 64, bias=bias), torch.randn(3, 7, 96)
    with torch.no_grad():
        torch.testing.assert_close(faster(linear)(states), linear(states), rtol=0, atol=1e-5)


@pytest.mark.parametrize("num_rows", [4, 7, 77, 308])
def test_a_row_does_not_depend_on_how_many_there_are(num_rows):
    linear, states = faster(nn.Linear(96, 64)), torch.randn(616, 96)
    with torch.no_grad():
        assert torch.equal(linear(states[:num_rows]), linear(states)[:num_rows])


def test_the_weights_are_the_given_ones():
    linear = nn.Linear(8, 8)
    shared = faster(linear)
    assert isinstance(shared, OneDnnLinear)
    assert shared.weight is linear.weight
    assert shared.bias is linear.bias


def test_other_number_types_are_multiplied_as_usual():
    linear, states = nn.Linear(8, 8).to(torch.bfloat16), torch.randn(2, 8, dtype=torch.bfloat16)
    assert torch.equal(faster(linear)(states), linear(states))
