"""Gaussian noise in place of quantization, the same draws for the same seed."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from vlprompt_pipeline.parametrizations.config import QuantizeConfig
from vlprompt_pipeline.parametrizations.draws import Draws
from vlprompt_pipeline.parametrizations.half import halved
from vlprompt_pipeline.parametrizations.quantizer import Quantizer, decode
from vlprompt_pipeline.parametrizations.quantizers.kmeans import fit_kmeans
from vlprompt_pipeline.parametrizations.registry import QuantizerKind, register


class GaussianNoise(Quantizer):
    """In training adds noise with the variance of the error that its codebooks would make.

    Evaluated, it shows the tensor itself, rounded as it is stored.
    """

    stores_indices = False

    def __init__(self, config: QuantizeConfig, generator: Generator, codebooks: int = 1) -> None:
        super().__init__(config, codebooks)
        self.draws = Draws(generator)

    @torch.no_grad()
    def _show(self, weight: Tensor, training: bool) -> Tensor:
        if not training:
            return halved(weight).to(weight.dtype)
        values = self._rows(weight)
        error = decode(*self._nearest(weight)) - values
        deviation = error.square().mean(dim=1, keepdim=True).sqrt()
        noisy = values + deviation * self.draws.normal(tuple(values.shape), values)
        return noisy.to(weight.dtype).view(weight.shape)


register(
    # the error of k-means gives the variance of the noise
    QuantizerKind("gaussian", "Gaussian noise", fit_kmeans, GaussianNoise, post_training=False)
)
