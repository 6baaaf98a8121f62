"""Small networks of learners, initialised from an explicit generator."""

from __future__ import annotations

import math

import torch
from torch import Generator, nn


def linear(inputs: int, outputs: int, generator: Generator) -> nn.Linear:
    """A linear layer with PyTorch's own initial distribution: uniform in ±1/sqrt(inputs)."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
    bound = 1 / math.sqrt(inputs)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-bound, bound, generator=generator)
    return layer
