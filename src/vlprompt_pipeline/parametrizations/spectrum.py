"""What RLP watches while it trains: the singular values of a context and how they are spread.

Source: arXiv 2312.10813 (its third version calls the share of the largest values information
density) and, for the effective rank, Roy & Vetterli, EUSIPCO 2007.
"""

from __future__ import annotations

from operator import attrgetter

import torch
from torch import Tensor, nn

from vlprompt_pipeline.arithmetic import in_double
from vlprompt_pipeline.parametrizations.low_rank import LowRank
from vlprompt_pipeline.parametrizations.naming import links


def singular_values(contexts: Tensor) -> Tensor:
    """Return those of contexts `[…, tokens, width]`, `[…, min(tokens, width)]`, descending."""
    return torch.linalg.svdvals(in_double(contexts))


def information_density(values: Tensor, k: int) -> Tensor:
    """Return ID_k: share of the k largest singular values `[…, n]` in the sum of all.

    0 if all are 0.
    """
    return values[..., :k].sum(-1) / values.sum(-1).clamp(min=torch.finfo(values.dtype).tiny)


def effective_rank(values: Tensor) -> Tensor:
    """Return exponential of the entropy of the shares of singular values `[…, n]`: from 1 to n."""
    shares = values / values.sum(-1, keepdim=True).clamp(min=torch.finfo(values.dtype).tiny)
    return torch.special.entr(shares).sum(-1).exp()


@torch.no_grad()
def spectra(module: nn.Module) -> dict[str, float]:
    """Return for the history, of each low-rank context under `module`, as evaluation sees it.

    Class-specific contexts have the mean over classes (our choice).
    """
    training = module.training
    module.eval()  # a look in training mode would draw dropout
    row: dict[str, float] = {}
    for name, _ in links(module, LowRank):
        values = singular_values(attrgetter(name)(module))
        count = values.shape[-1]
        row[f"{name}.effective_rank"] = effective_rank(values).mean().item()
        for k in range(1, count):
            row[f"{name}.information_density_{k}"] = information_density(values, k).mean().item()
        for k in range(count):
            row[f"{name}.singular_value_{k + 1}"] = values[..., k].mean().item()
    module.train(training)
    return row
