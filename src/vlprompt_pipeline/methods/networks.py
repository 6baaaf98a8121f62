"""Small networks of learners, initialised from an explicit generator."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn


def linear(inputs: int, outputs: int, generator: Generator, bias: bool = True) -> nn.Linear:
    """Return a linear layer with PyTorch's own initial distribution: uniform in ±1/sqrt(inputs)."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs, bias=bias)
    bound = 1 / math.sqrt(inputs)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-bound, bound, generator=generator)
    return layer


def network(
    widths: Sequence[int], activation: type[nn.Module], generator: Generator, bias: bool = True
) -> nn.Sequential:
    """Return layers `linear1`, `linear2`, … between vectors of these widths.

    The activation stands between each two of them.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        if number:
            layers[f"activation{number}"] = activation()
        layers[f"linear{number + 1}"] = linear(inputs, outputs, generator, bias)
    return nn.Sequential(layers)


def kaiming_uniform(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Draw uniformly in ±1/sqrt(last size): Kaiming's distribution with a = sqrt(5)."""
    return (2 * torch.rand(shape, generator=generator) - 1) / math.sqrt(shape[-1])


class QuickGELU(nn.Module):
    """x · sigmoid(1.702 x), the activation of OpenAI's CLIP."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply it elementwise."""
        return x * torch.sigmoid(1.702 * x)
