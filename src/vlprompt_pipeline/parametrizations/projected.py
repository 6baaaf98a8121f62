"""A prompt of 32 bytes: initial words plus a change along fixed random directions (our choice).

context = words + P z, with P from a seed (module `random_directions`) and 60 numbers z of 16
levels: 30 bytes of indices and 2 of a scale. z is trained through the quantizer: the gradient
passes as if there was none (straight-through).
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from vlprompt_pipeline.parametrizations.half import require_finite, require_half
from vlprompt_pipeline.parsing import Parameters
from vlprompt_pipeline.random_directions import FRACTION, LEVELS, MAX_NUMBERS, UNIT, projection


class ProjectedConfig(Parameters):
    """How a context is changed along random directions.

    Attributes:
        numbers: how many are trained, of 4 bits each.
        seed: of the projection; below 128 it takes one byte of the file.
        gain: what z is multiplied by. With 1 a step of training moves the context as far as CoOp's
            would along the same directions; these hold numbers / values of a gradient's square, so
            the rates of CoOp need more.
    """

    numbers: int = Field(default=60, ge=1, le=MAX_NUMBERS)
    seed: int = Field(default=1, ge=0, lt=2**31)
    gain: float = Field(default=1.0, gt=0)


class Projected(nn.Module):
    """Parametrization of a context of any shape by a few numbers `[numbers]`.

    What it shows is what a reader of the packed file computes, bit for bit.
    """

    initial: Tensor
    signs: Tensor
    levels: Tensor

    def __init__(self, config: ProjectedConfig, context: Tensor) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("initial", context.detach().clone())
        signs = torch.from_numpy(projection(config.seed, context.numel(), config.numbers))
        self.register_buffer("signs", signs.to(context), persistent=False)
        self.register_buffer("levels", context.new_tensor(LEVELS), persistent=False)
        self._length = config.gain / context.numel() ** 0.5  # of a column of P, for z

    def forward(self, z: Tensor) -> Tensor:
        """Return the context; its gradient is that of z without the quantizer."""
        held = z.detach()
        indices, scale = self._encode(held)
        # integers: the same in any order of sums
        change = (self.signs @ self.levels[indices]) * scale.to(held) * FRACTION
        through = self.signs @ (z - held) * self._length  # zeros, so the shown values stay exact
        return self.initial + (change + through).view(self.initial.shape)

    def right_inverse(self, context: Tensor) -> Tensor:
        """Return initial numbers: zeros, so that nothing changes."""
        return context.new_zeros(self.config.numbers)

    def encode(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return what a file holds: places in the table (uint8) and the scale (float16).

        Raises:
            UserError: `z` has values that are not finite, or its scale is beyond float16.
        """
        require_finite(z)
        indices, scale = self._encode(z.detach())
        require_half(scale)
        return indices.to(torch.uint8), scale

    def _encode(self, z: Tensor) -> tuple[Tensor, Tensor]:
        deviation = z.square().mean().sqrt()
        units = z * (UNIT / torch.where(deviation > 0, deviation, 1.0))
        indices = torch.bucketize(units, (self.levels[1:] + self.levels[:-1]) / 2)
        return indices, (deviation * (self._length / UNIT / FRACTION)).half()
