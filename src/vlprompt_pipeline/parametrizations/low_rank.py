"""Re-parameterised low-rank prompts (RLP): initial words plus a low-rank change.

P = P_init + dropout(A) · B with A `[tokens, rank]` and B `[rank, width]`; P_init is frozen, so the
change alone is trained: 4 x 1 + 1 x 512 = 516 numbers. At export the product is merged, and
inference costs what CoOp costs. Source: arXiv 2312.10813. RECONSTRUCTED: the full text gives the
mechanism (low-rank product, full-rank initial path, dropout on the low-rank branch, about 0.5 K
parameters), not every number and no code; rank, rate, place of the dropout and the initial values
are our choices.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

from vlprompt_pipeline.parametrizations.draws import Draws
from vlprompt_pipeline.parsing import Parameters


class LowRankConfig(Parameters):
    """How a context is factorised.

    Attributes:
        rank: inner size of the product.
        dropout: probability that a value of the dropped factor is left out in a training step.
        initial_std: standard deviation of A at the start; B is zero, as in LoRA, so that nothing
            changes at first. The gradient that B sees is scaled by it: at 0.02, the usual spread
            of prompts, CoOp's learning rates move almost nothing.
        dropped: the factor that is dropped: A (whole tokens where rank is 1), B or their product.
    """

    rank: int = Field(ge=1)
    dropout: float = Field(ge=0, lt=1)
    initial_std: float = Field(default=0.2, gt=0)
    dropped: Literal["A", "B", "product"] = "A"


def merged(initial: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return the context that inference sees."""
    return initial + a @ b


class LowRank(nn.Module):
    """Parametrization of a context `[…, tokens, width]` by two factors, A first."""

    initial: Tensor

    def __init__(self, config: LowRankConfig, context: Tensor, generator: Generator) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("initial", context.detach().clone())
        factor = torch.randn((*context.shape[:-1], config.rank), generator=generator)
        self._factor = config.initial_std * factor.to(context)
        self.draws = Draws(generator)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the context; with dropout in training mode."""
        dropped, probability = self.config.dropped, self.config.dropout
        if dropped == "product":
            return self.initial + self.draws.dropout(a @ b, probability)
        a = self.draws.dropout(a, probability) if dropped == "A" else a
        b = self.draws.dropout(b, probability) if dropped == "B" else b
        return merged(self.initial, a, b)

    def right_inverse(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return initial factors: A normal, B zero, so nothing changes."""
        shape = (*context.shape[:-2], self.config.rank, context.shape[-1])
        return self._factor, context.new_zeros(shape)
