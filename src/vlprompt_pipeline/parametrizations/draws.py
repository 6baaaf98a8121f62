"""Random numbers of a learner: samples of a prompt, dropout. The same bits after a restart.

They are drawn on the host, so that a device changes none of them. Inside a training step nothing
may come from the host: `StepDraws` makes what a step draws before the step begins, in tensors whose
place in memory stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Generator, Tensor, nn

Draw = partial[Tensor]
"""Draws values of a shape, its last argument, in `dtype` and from a `generator`, on the host."""


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
        self.counted = 0  # the same, without asking the device
        self._ahead: _Ahead | None = None
        self.register_load_state_dict_post_hook(_adopt_count)

    def normal(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Return standard normal values `shape` in type and on the device of `like`."""
        return self._drawn(partial(torch.randn, shape, dtype=like.dtype), like.device)

    def uniform(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Return values in [0, 1) `shape` in type and on the device of `like`."""
        return self._drawn(partial(torch.rand, shape, dtype=like.dtype), like.device)

    def dropout(
        self, values: Tensor, probability: float, shape: tuple[int, ...] | None = None
    ) -> Tensor:
        """Return values each of which training drops with a probability, and scales otherwise.

        With a `shape` that is 1 along a dimension, all values along that are dropped together.
        """
        if not (self.training and probability):
            return values
        draw = partial(_kept, 1 - probability, shape or tuple(values.shape), dtype=values.dtype)
        return values * self._drawn(draw, values.device)

    def _drawn(self, draw: Draw, device: torch.device) -> Tensor:
        if self._ahead is None or not self.training:
            return draw(generator=self._next()).to(device)
        return self._ahead.take(draw, device, self._next)

    def _next(self) -> Generator:
        if self.training:
            self.counted += 1
            self.count.fill_(self.counted)
        which = f"{self.seed} {self.counted}" if self.training else "evaluation"
        digest = hashlib.sha256(which.encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


class StepDraws:
    """What a training step draws, drawn before it begins.

    The first step tells what is drawn; every further one must draw the same shapes in the same
    order, and finds its values in the same tensors. They are those that it would draw by itself.
    """

    def __init__(self, module: nn.Module) -> None:
        """Take over all `Draws` under `module`, within `prepared`."""
        self._sources = [each for each in module.modules() if isinstance(each, Draws)]
        self._ahead = [_Ahead() for _ in self._sources]

    def refill(self) -> None:
        """Draw anew what the last step drew; on a GPU the values are on their way, not there."""
        for source, ahead in zip(self._sources, self._ahead, strict=True):
            ahead.refill(source._next)

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """Have the sources give, within the context, what was drawn ahead."""
        for source, ahead in zip(self._sources, self._ahead, strict=True):
            source._ahead, ahead.position = ahead, 0
        try:
            yield
        finally:
            for source in self._sources:
                source._ahead = None


class _Ahead:
    """The draws of a step from one source, in order."""

    def __init__(self) -> None:
        self.position = 0
        self._drawn: list[tuple[Draw, Tensor]] = []

    def refill(self, following: Callable[[], Generator]) -> None:
        """Draw anew, into the same tensors."""
        for draw, tensor in self._drawn:
            drawn = draw(generator=following())
            if tensor.device.type == "cuda":  # only from pinned memory may the host go on
                tensor.copy_(drawn.pin_memory(), non_blocking=True)
            else:  # mps would copy what is no longer there
                tensor.copy_(drawn)

    def take(self, draw: Draw, device: torch.device, following: Callable[[], Generator]) -> Tensor:
        """Return the next tensor; it is drawn now where no earlier step drew as many."""
        if self.position == len(self._drawn):
            self._drawn.append((draw, draw(generator=following()).to(device)))
        before, tensor = self._drawn[self.position]
        if (before.args, before.keywords) != (draw.args, draw.keywords):
            raise RuntimeError(
                f"a step drew {list(tensor.shape)} and now {list(draw.args[-1])}: give the method "
                "a text in not_capturable, then each step draws for itself"
            )
        self.position += 1
        return tensor


def _kept(
    probability: float, shape: tuple[int, ...], *, generator: Generator, dtype: torch.dtype
) -> Tensor:
    """Return 1 / probability where a value is kept, else 0."""
    kept = torch.rand(shape, generator=generator) < probability
    return (kept / probability).to(dtype)


def _adopt_count(draws: Draws, _incompatible: object) -> None:
    draws.counted = int(draws.count)
