"""Gaussian noise on a prompt while it is trained: P + std · N(0, 1), drawn anew in every step.

QPrompt (arXiv 2407.10704) explains quantization as noise that regularises, and shows CoOp under
noise of several strengths. How the noise is added was not published. Our choices: additive and
independent for each value, in training steps only, on top of all other parametrizations. The
prompt that is scored and stored is the one without it.
"""

from __future__ import annotations

from pydantic import Field
from torch import Generator, Tensor, nn

from vlprompt_pipeline.parametrizations.draws import Draws
from vlprompt_pipeline.parsing import Parameters


class NoiseConfig(Parameters):
    """Standard deviation of the noise, in units of token embeddings."""

    std: float = Field(gt=0)


class TrainingNoise(nn.Module):
    """Parametrization of a tensor of any shape."""

    def __init__(self, config: NoiseConfig, generator: Generator) -> None:
        super().__init__()
        self.config = config
        self.draws = Draws(generator)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the tensor, with noise in training mode."""
        if not self.training:
            return weight
        return weight + self.config.std * self.draws.normal(tuple(weight.shape), weight)
