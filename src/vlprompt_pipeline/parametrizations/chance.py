"""Quantizers that act by chance in training, the same chance for the same seed."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from vlprompt_pipeline.parametrizations.config import QuantizeConfig
from vlprompt_pipeline.parametrizations.draws import Draws
from vlprompt_pipeline.parametrizations.quantizer import Quantizer, decode


class StochasticRounding(Quantizer):
    """In training each value goes to one of the two entries around it, on average to itself.

    Evaluated, it goes to the nearer one; after training (`post_training`) by a chance that is
    always the same.
    """

    def __init__(self, config: QuantizeConfig, generator: Generator, codebooks: int = 1) -> None:
        super().__init__(config, codebooks)
        self.draws = Draws(generator)

    @torch.no_grad()
    def _assign(self, weight: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        if not (training or self.config.post_training):
            return self._nearest(weight)
        values = self._rows(weight)
        codebooks = self._scaled(values)
        entries = codebooks.float()
        upper = torch.searchsorted(entries, values).clamp(1, entries.shape[1] - 1)
        low, high = entries.gather(1, upper - 1), entries.gather(1, upper)
        share = (values - low) / torch.where(high > low, high - low, 1.0)
        return upper - (self.draws.uniform(share.shape, share) >= share).long(), codebooks


class GaussianNoise(Quantizer):
    """In training adds noise with the variance of the error that its codebooks would make.

    Evaluated, it shows the tensor itself, rounded to float16: as it is stored.
    """

    stores_indices = False

    def __init__(self, config: QuantizeConfig, generator: Generator, codebooks: int = 1) -> None:
        super().__init__(config, codebooks)
        self.draws = Draws(generator)

    @torch.no_grad()
    def _show(self, weight: Tensor, training: bool) -> Tensor:
        if not training:
            return weight.half().to(weight.dtype)
        values = self._rows(weight)
        error = decode(*self._nearest(weight)) - values
        deviation = error.square().mean(dim=1, keepdim=True).sqrt()
        noisy = values + deviation * self.draws.normal(tuple(values.shape), values)
        return noisy.to(weight.dtype).view(weight.shape)
