"""Small networks of learners, initialised from an explicit generator."""

from __future__ import annotations

import math

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


def kaiming_uniform(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Draw uniformly in ±1/sqrt(last size): Kaiming's distribution with a = sqrt(5)."""
    return (2 * torch.rand(shape, generator=generator) - 1) / math.sqrt(shape[-1])


class QuickGELU(nn.Module):
    """x · sigmoid(1.702 x), the activation of OpenAI's CLIP."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply it elementwise."""
        return x * torch.sigmoid(1.702 * x)
