"""Bring tensors from the host to a device beside what the device computes.

A copy from ordinary memory stops the host until it is done. From pinned memory, and by a stream of
its own, it runs while the step before is computed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from functools import lru_cache

import torch
from torch import Tensor

Tensors = tuple[Tensor, ...]

AHEAD = 2
"""Copies that have been asked for while the first of them is used (our choice)."""


@lru_cache
def _copying_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the stream of all copies to a device: each stream keeps memory for itself alone."""
    return torch.cuda.Stream(device)


def transferred(items: Iterable[Tensors], device: torch.device) -> Iterator[Tensors]:
    """Yield tensors of the host on a device; those behind them are on their way meanwhile."""
    if device.type != "cuda":
        for tensors in items:
            yield tuple(tensor.to(device) for tensor in tensors)
        return
    coming: deque[tuple[Tensors, torch.cuda.Event]] = deque()
    for tensors in items:
        with torch.cuda.stream(_copying_stream(device)):
            copies = tuple(_pinned(each).to(device, non_blocking=True) for each in tensors)
            coming.append((copies, _copying_stream(device).record_event()))
        if len(coming) == AHEAD:
            yield _arrived(*coming.popleft())
    while coming:
        yield _arrived(*coming.popleft())


def _pinned(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_pinned() else tensor.pin_memory()


def _arrived(copies: Tensors, done: torch.cuda.Event) -> Tensors:
    """Let what is computed from here on wait for the copies; the host does not wait."""
    here = torch.cuda.current_stream(copies[0].device)
    here.wait_event(done)
    for copy in copies:
        copy.record_stream(here)  # its memory is not given away before it is read
    return copies
