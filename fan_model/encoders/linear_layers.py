"""Matrix products of linear layers: by the faster of torch's two libraries, and in whole blocks of rows."""

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class OneDnnLinear(nn.Linear):
    """`nn.Linear`, on the CPU by oneDNN's product; for inference only.

    torch multiplies float32 by MKL, which uses half the vector width of AMD's processors. oneDNN, also built
    into torch, is 2.1 times faster there (225 against 106 GFLOP/s a core at CLIP-L size). It reads the weight
    where it lies, and a text's result does not depend on how many others are multiplied with it.
    """

    def forward(self, states: Tensor) -> Tensor:
        """[..., in] to [..., out]."""
        if states.device.type != "cpu" or states.dtype != torch.float32 or not HAS_ONE_DNN:
            return F.linear(states, self.weight, self.bias)
        return torch.ops.mkldnn._linear_pointwise(states, self.weight, self.bias, "none", [], "")


HAS_ONE_DNN = hasattr(torch.ops.mkldnn, "_linear_pointwise")
"""What torch.compile multiplies by; other builds of torch may lack it."""


def multiply_by_one_dnn(model: nn.Module) -> None:
    """Let every linear layer of the model, with the weights that it has, be a `OneDnnLinear`."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear:
                setattr(parent, name, _of(child))


def _of(linear: nn.Linear) -> OneDnnLinear:
    # On no device: its own weights are not made, only to be replaced by the given ones.
    faster = OneDnnLinear(linear.in_features, linear.out_features, bias=False, device="meta")
    faster.weight, faster.bias = linear.weight, linear.bias
    return faster.train(linear.training)


ROW_BLOCK = 16
"""Rows of a matrix product, of which every kernel makes whole blocks."""


def fill_row_blocks(part: nn.Module) -> None:
    """Let layers that take one row a picture, such as those of its time step, compute whole blocks of rows.

    So do projections of what was pooled of texts. Processors with wide registers multiply fewer than eight
    rows by another kernel, whose last bits differ: a picture would depend on how many are beside it. Other
    layers have rows enough.
    """
    for module in part.modules():
        if type(module) is nn.Linear and "forward" not in vars(module):
            module.forward = functools.partial(_in_whole_blocks, module.forward)  # type: ignore[method-assign]


def _in_whole_blocks(linear: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    if rows.dim() != 2:
        return linear(rows)
    filled = F.pad(rows, (0, 0, 0, -len(rows) % ROW_BLOCK))
    return linear(filled)[: len(rows)]
