"""Bring tensors from the host to a device beside what the device computes.

A copy from ordinary memory stops the host until it is done. From pinned memory, and by a stream of
its own, it runs while the step before is computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor


@lru_cache
def _copying_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the stream of all copies to a device: each stream keeps memory for itself alone."""
    return torch.cuda.Stream(device)


@dataclass(frozen=True)
class OnTheWay:
    """Tensors whose copies have been asked for.

    Attributes:
        tensors: on the device; not to be read before they have `arrived`.
        done: what marks the end of the copies, where they run beside other work.
    """

    tensors: tuple[Tensor, ...]
    done: torch.cuda.Event | None = None

    def arrived(self) -> tuple[Tensor, ...]:
        """Let what is computed from here on wait for the copies; the host does not wait."""
        if self.done is not None:
            here = torch.cuda.current_stream(self.tensors[0].device)
            here.wait_event(self.done)
            for tensor in self.tensors:
                tensor.record_stream(here)  # its memory is not given away before it is read
        return self.tensors


class Transfer:
    """The way from the host to one device; to a CPU there is nothing to do."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = _copying_stream(device) if device.type == "cuda" else None

    def start(self, *tensors: Tensor) -> OnTheWay:
        """Begin to copy tensors of the host."""
        if self._stream is None:
            return OnTheWay(tuple(tensor.to(self._device) for tensor in tensors))
        with torch.cuda.stream(self._stream):
            copies = tuple(
                (tensor if tensor.is_pinned() else tensor.pin_memory()).to(
                    self._device, non_blocking=True
                )
                for tensor in tensors
            )
            return OnTheWay(copies, self._stream.record_event())
