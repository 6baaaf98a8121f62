"""A recorder that replays operations, as a CUDA graph replays kernels, on any device."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
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


class Witness(TorchDispatchMode):
    """Remembers where the tensors lie that a step reads and has not made, without holding them."""

    def __init__(self) -> None:
        super().__init__()
        self.read: dict[int, tuple[str, StorageWeakRef]] = {}
        self._made: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None) -> Any:
        """Run an operation and note what it reads; numbers are handed to a kernel by value."""
        for tensor in tree_leaves((args, kwargs)):
            if isinstance(tensor, Tensor) and tensor.ndim:
                storage = tensor.untyped_storage()
                if storage._cdata not in self._made:
                    self.read[storage._cdata] = (str(func), StorageWeakRef(storage))
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._made.add(tensor.untyped_storage()._cdata)
        return result


class WitnessRecorder:
    """Replays by calls, if all memory that the recorded step has read is still in use."""

    def __init__(self) -> None:
        self.replays = 0

    def warm_up(self, call: Call) -> Result:
        """Run the call."""
        return call()

    def record(self, call: Call) -> Call:
        """Watch the next call."""
        witness = Witness()

        def replay() -> Result:
            self.replays += 1
            if not witness.read:
                with witness:
                    return call()
            gone = [name for name, place in witness.read.values() if place.expired()]
            assert not gone, f"a graph would read freed memory in {gone}"
            return call()

        return replay


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
