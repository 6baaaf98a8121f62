"""What is told of the codebooks of a tensor while it is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vlprompt_pipeline.parametrizations.half import require_finite, require_half


@dataclass(frozen=True)
class ClusteringCheck:
    """One look at the codebooks of a tensor: whether it had drifted, and what it was afterwards.

    Attributes:
        step: training steps done.
        kl: drift of the index histogram since the last clustering, in nats.
        reclustered: whether that made new codebooks.
        mean_squared_error: of the quantized tensor against the full-precision weights, per value.
        codebooks: the values in force, [codebooks, 2**bits], each row ascending.
    """

    step: int
    kl: float
    reclustered: bool
    mean_squared_error: float
    codebooks: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Look:
    """A `ClusteringCheck` whose numbers are still on the device.

    Attributes:
        finite: whether all values of the tensor are.
        error: the mean squared error.
    """

    step: int
    kl: float
    reclustered: bool
    finite: Tensor
    error: Tensor
    codebooks: Tensor

    def read(self) -> ClusteringCheck:
        """Return the check.

        Raises:
            UserError: the tensor had values that are not finite or beyond float16.
        """
        error = self.error.item()
        if not math.isfinite(error):
            require_finite(torch.where(self.finite, 0.0, torch.nan))
            require_half(self.error)
        entries = tuple(map(tuple, self.codebooks.tolist()))
        return ClusteringCheck(self.step, self.kl, self.reclustered, error, entries)


def drift(now: Tensor, then: Tensor) -> float:
    """Return KL(now || then) of two histograms in nats; one is added to each count (our choice)."""
    p, q = (counts.cpu().numpy() + 1.0 for counts in (now, then))
    return float((p * np.log(p / q)).sum() / p.sum())  # both have as many values


CLUSTERING_COLUMNS = ("step", "tensor", "kl", "mean_squared_error", "codebooks")


def clustering_row(tensor: str, check: ClusteringCheck) -> dict[str, Any]:
    """Return it as plain values under `CLUSTERING_COLUMNS`, for tables and checkpoints."""
    codebooks = [list(entries) for entries in check.codebooks]
    values = (check.step, tensor, check.kl, check.mean_squared_error, codebooks)
    return dict(zip(CLUSTERING_COLUMNS, values, strict=True))
