"""Random numbers of a learner: samples of a prompt, dropout. The same bits after a restart."""

from __future__ import annotations

import hashlib

import torch
from torch import Generator, Tensor, nn


class Draws(nn.Module):
    """Standard normal and Bernoulli draws that depend on (seed, how many were asked for) alone.

    The count is a buffer, so a checkpoint holds it. In evaluation mode every call of every learner
    gives the same numbers and counts nothing: a stored prompt predicts the same for ever.
    """

    count: Tensor

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.seed = int(torch.randint(2**31, (1,), generator=generator))
        self.register_buffer("count", torch.tensor(0))

    def normal(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Standard normal values `shape` in type and on the device of `like`."""
        return torch.randn(shape, generator=self._next(), dtype=like.dtype).to(like.device)

    def uniform(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Values in [0, 1) `shape` in type and on the device of `like`."""
        return torch.rand(shape, generator=self._next(), dtype=like.dtype).to(like.device)

    def keep(self, shape: tuple[int, ...], probability: float, like: Tensor) -> Tensor:
        """1 / probability where a value is kept, else 0: what dropout multiplies by."""
        kept = torch.rand(shape, generator=self._next()) < probability
        return (kept / probability).to(like.device, like.dtype)

    def _next(self) -> Generator:
        if self.training:
            self.count += 1
        which = f"{self.seed} {int(self.count)}" if self.training else "evaluation"
        digest = hashlib.sha256(which.encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
