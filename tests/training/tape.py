"""A recorder that replays operations, as a CUDA graph replays kernels, on any device."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vlprompt_pipeline.training.capture import Call, Result


class Tape(TorchDispatchMode):
    """Remembers every operation, what it was given, and the tensors that it gave."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Callable, tuple, dict, Any]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None) -> Any:
        """Run an operation and remember it."""
        result = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, result))
        return result

    def replay(self) -> None:
        """Run all operations again on the same tensors; results go where the first ones stand."""
        with torch.no_grad():
            for func, args, kwargs, result in self.operations:
                again = func(*args, **kwargs)
                for place, value in zip(tree_leaves(result), tree_leaves(again), strict=True):
                    if isinstance(place, Tensor) and place.data_ptr() != value.data_ptr():
                        place.copy_(value)


class TapeRecorder:
    """Replays no line of Python: what a step takes from the host is what it was when recorded."""

    def __init__(self, changed: Callable[[], Iterable[Tensor]]) -> None:
        """`changed` are the tensors that a step changes: recording a CUDA graph runs nothing."""
        self.changed = changed
        self.happened: list[str] = []

    def warm_up(self, call: Call) -> Result:
        """Run the call."""
        self.happened.append("warm")
        return call()

    def record(self, call: Call) -> Call:
        """Remember the operations of a call, and undo what they did."""
        self.happened.append("record")
        tensors = list(self.changed())
        before = [tensor.detach().clone() for tensor in tensors]
        with Tape() as tape:
            result = call()
        with torch.no_grad():
            for tensor, value in zip(tensors, before, strict=True):
                tensor.copy_(value)

        def replay() -> Result:
            self.happened.append("replay")
            tape.replay()
            return result

        return replay
