"""What is told of the codebooks of a tensor while it is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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


CLUSTERING_COLUMNS = ("step", "tensor", "kl", "mean_squared_error", "codebooks")


def clustering_row(tensor: str, check: ClusteringCheck) -> dict[str, Any]:
    """Return it as plain values under `CLUSTERING_COLUMNS`, for tables and checkpoints."""
    codebooks = [list(entries) for entries in check.codebooks]
    values = (check.step, tensor, check.kl, check.mean_squared_error, codebooks)
    return dict(zip(CLUSTERING_COLUMNS, values, strict=True))
