"""What a prompt that is a distribution predicts: with its mean, and with samples of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor


@dataclass(frozen=True)
class SampledPredictions:
    """What a distribution over prompts predicts.

    Attributes:
        prediction: whether the samples' average is what it predicts, or the mean prompt alone.
        mean: probabilities `[images, classes]` with the mean prompt alone.
        samples: probabilities `[samples, images, classes]`, each sample by itself.
    """

    prediction: Literal["sampled", "mean"]
    mean: Tensor
    samples: Tensor

    @property
    def probabilities(self) -> Tensor:
        """`[images, classes]`, those of `logits`."""
        return self.mean if self.prediction == "mean" else self.samples.mean(0)

    def among(self, rows: Tensor, columns: Tensor) -> SampledPredictions:
        """Return the predictions for some images, where some of the classes are all there are."""
        mean, samples = (part[..., rows, :][..., columns] for part in (self.mean, self.samples))
        mean, samples = (part / part.sum(-1, keepdim=True) for part in (mean, samples))
        return SampledPredictions(self.prediction, mean, samples)
