"""Take some tokens out of many, with a backward pass that sums nothing.

The gradient of a gather is a sum over all places that take the same token. A GPU sums in any order,
or sorts all places first to have one order. Where each token is taken once at most, its gradient
stands at one place, so the backward pass is a gather, too.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def picked(x: Tensor, places: Tensor, inverse: Tensor) -> Tensor:
    """Return tokens `[…, some, width]` of `x` `[…, tokens, width]`.

    Args:
        x: tokens.
        places: `[…, some]`, where they stand. The gradient of those that stand where `inverse`
            names another is dropped, so it must be zero.
        inverse: `[…, tokens]`, which of the picked ones a token is, `some` where it is none.
    """
    if not torch.is_grad_enabled():
        return gathered(x, places)
    return _Picked.apply(x, places, inverse)


class _Picked(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, places: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(inverse)
        return gathered(x, places)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (inverse,) = ctx.saved_tensors
        with_zeros = F.pad(gradient, (0, 0, 0, 1))  # for the tokens that were not picked
        return gathered(with_zeros, inverse), None, None


def gathered(x: Tensor, places: Tensor) -> Tensor:
    """Return tokens `[…, some, width]` of `x` that stand at `places` `[…, some]`."""
    return x.gather(-2, places[..., None].expand(*places.shape, x.shape[-1]))
