"""Stochastic rounding to evenly spaced entries, the same draws for the same seed."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from vlprompt_pipeline.parametrizations.config import QuantizeConfig
from vlprompt_pipeline.parametrizations.draws import Draws
from vlprompt_pipeline.parametrizations.quantizer import Quantizer, Shown
from vlprompt_pipeline.parametrizations.quantizers.uniform import min_max
from vlprompt_pipeline.parametrizations.registry import QuantizerKind, register


class StochasticRounding(Quantizer):
    """In training each value goes to one of the two entries around it, on average to itself.

    Evaluated, it goes to the nearer one; after training (`post_training`) by a chance that is
    always the same.
    """

    def __init__(self, config: QuantizeConfig, generator: Generator, codebooks: int = 1) -> None:
        super().__init__(config, codebooks)
        self.draws = Draws(generator)

    @torch.no_grad()
    def _assign(self, weight: Tensor, training: bool) -> Shown:
        if not (training or self.config.post_training):
            return self._nearest(weight)
        values = self._rows(weight)
        codebooks = self._scaled(values)
        entries = codebooks.float()
        upper = torch.searchsorted(entries, values).clamp(1, entries.shape[1] - 1)
        low, high = entries.gather(1, upper - 1), entries.gather(1, upper)
        share = (values - low) / torch.where(high > low, high - low, 1.0)
        return upper - (self.draws.uniform(share.shape, share) >= share).long(), codebooks


register(QuantizerKind("stochastic", "stochastic rounding", min_max, StochasticRounding))
