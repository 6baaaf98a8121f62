"""What is measured on the values of a prompt: histograms and their divergence."""

from __future__ import annotations

import torch
from torch import Tensor


def histograms(contexts: Tensor, bins: int) -> tuple[Tensor, Tensor]:
    """Return histograms of the values of each moment over one common range.

    The range goes from the smallest to the largest value of all moments, in bins of equal width
    (our choice; neither was published).

    Args:
        contexts: `[moments, tokens, width]`.
        bins: how many.

    Returns:
        Counts `[moments, bins]` and edges `[bins + 1]`, both float64.
    """
    values = contexts.double().flatten(1)
    low, high = values.min().item(), values.max().item()
    if low == high:  # one bin of any width holds equal values
        high = low + 1.0
    edges = torch.linspace(low, high, bins + 1, dtype=torch.float64)
    counts = torch.stack([torch.histc(moment, bins, low, high) for moment in values])
    return counts, edges


def neighbour_divergence(counts: Tensor) -> Tensor:
    """Return KL(moment || the one before) in nats, `[moments - 1]`.

    Of histograms `[moments, bins]`. One is added to each count, as the quantizers do, so that an
    empty bin gives no infinity (our choice).
    """
    shares = (counts + 1) / (counts + 1).sum(dim=1, keepdim=True)
    now, before = shares[1:], shares[:-1]
    return (now * (now / before).log()).sum(dim=1)
