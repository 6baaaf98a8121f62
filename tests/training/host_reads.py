"""Modes in which a training step that asks its device for a value, or brings one to it, fails."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

READING = {
    "_local_scalar_dense": "reads a number",
    "is_nonzero": "reads a truth value",
    "equal": "compares on the host",
    "nonzero": "has a shape that the host must wait for",
    "masked_select": "has a shape that the host must wait for",
    "_unique2": "has a shape that the host must wait for",
    "bincount": "asks for the largest number",
}
DRAWING = {"rand", "randn", "randint", "randperm", "normal_", "uniform_", "bernoulli_", "random_"}


class HostReadError(AssertionError):
    """A step asked its device for something, or brought something to it."""


class NoHost(TorchDispatchMode):
    """Refuses operations that make the host wait, and draws, which are made before a step."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None) -> Any:
        """Run an operation, or refuse it."""
        name = func.overloadpacket.__name__
        if name in READING:
            raise HostReadError(f"{func} {READING[name]}")
        if name in DRAWING:
            raise HostReadError(f"{func} draws inside of a step")
        if name in ("index", "index_put", "index_put_", "_index_put_impl_"):
            masks = [i for i in args[1] if i is not None and i.dtype in (torch.bool, torch.uint8)]
            if masks:
                raise HostReadError(f"{func} by a mask has a shape that the host must wait for")
        result = func(*args, **(kwargs or {}))
        self.check(func, args, result)
        return result

    def check(self, func: Any, args: Any, result: Any) -> None:
        """Look at what an operation was given and gives."""


class NoHostTensors(NoHost):
    """As `NoHost`, for a step on the device `meta`: everything it computes with is there."""

    def check(self, func: Any, args: Any, result: Any) -> None:
        """Refuse a tensor made on the host, or brought to or from the device."""
        for tensor in tree_leaves((args, result)):
            if isinstance(tensor, Tensor) and tensor.device.type != "meta" and tensor.ndim:
                raise HostReadError(
                    f"{func} has to do with a tensor {list(tensor.shape)} of the host"
                )


def on_meta(thing: Any, monkeypatch: Any, *shared: Any) -> Any:
    """Copy an object with all that it holds, its tensors on the device that has no values.

    What is `shared` is not copied.

    There a step can do nothing but what it could do on a GPU without waiting: a value that is read
    is an error, and so is a tensor that stayed on the host.
    """

    def to_meta(tensor: Tensor, memo: dict) -> Tensor:
        if id(tensor) not in memo:
            moved = tensor.detach().to("meta")
            if isinstance(tensor, torch.nn.Parameter):
                moved = torch.nn.Parameter(moved, requires_grad=tensor.requires_grad)
            memo[id(tensor)] = moved
        return memo[id(tensor)]

    with monkeypatch.context() as patch:
        patch.setattr(Tensor, "__deepcopy__", to_meta)
        patch.setattr(torch.nn.Parameter, "__deepcopy__", to_meta)
        return copy.deepcopy(thing, {id(each): each for each in shared})
