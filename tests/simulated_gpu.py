"""A GPU that is none: tensors on `cuda:0` or `mps:0` whose values lie in the memory of the host.

What a GPU refuses is refused: an operation on tensors of both sides; on mps double precision and
operations without a kernel; while a step is recorded, whatever makes the host wait. A recorded step
runs no line of Python: its operations are repeated on the same memory, which must still be in use.
Nothing here says anything about the speed or the last bits of a card.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

CUDA, MPS = torch.device("cuda", 0), torch.device("mps", 0)
BETWEEN = {"_to_copy", "copy_"}
"""Operations that may have tensors of both sides."""
INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_"}
"""These take indices of the host, too, and wait for the copy."""
WAITING = {
    "_local_scalar_dense": "reads a number",
    "is_nonzero": "reads a truth value",
    "equal": "compares on the host",
    "nonzero": "has a shape that the host must wait for",
    "masked_select": "has a shape that the host must wait for",
    "_unique2": "has a shape that the host must wait for",
    "bincount": "asks for the largest number",
}
UNREPEATABLE = {
    "histc",
    "kthvalue",
    "put_",
    "grid_sampler_2d_backward",
    "upsample_linear1d_backward",
    "upsample_bilinear2d_backward",
    "upsample_bicubic2d_backward",
    "_adaptive_avg_pool2d_backward",
    "adaptive_max_pool2d_backward",
    "max_pool3d_with_indices_backward",
    "reflection_pad1d_backward",
    "reflection_pad2d_backward",
    "replication_pad1d_backward",
    "replication_pad2d_backward",
    "nll_loss2d_forward",
    "nll_loss2d_backward",
    "_ctc_loss_backward",
    "_embedding_bag_dense_backward",
}
"""What the documentation of `torch.use_deterministic_algorithms` lists as refused, with
`_has_no_fixed_order`."""
ABSENT_ON_MPS = {
    "_linalg_eigh",
    "geqrf",
    "linalg_eig",
    "linalg_eigvals",
    "linalg_ldl_factor_ex",
    "linalg_lstsq",
    "linalg_matrix_exp",
    "logspace",
    "mode",
    "put_",
}
"""Operations without a kernel, by PyTorch's own list (`torch.testing._internal.common_mps`)."""
DRAWING = {"rand", "randn", "randint", "randperm", "normal_", "uniform_", "bernoulli_", "random_"}


_simulated = CUDA
"""The device there is."""


class GpuError(RuntimeError):
    """Something that a GPU refuses."""


class GpuTensor(Tensor):
    """A tensor that says it is on a GPU; to the core of PyTorch it is one without values."""

    values: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, values: Tensor, requires_grad: bool = False) -> GpuTensor:
        made = Tensor._make_wrapper_subclass(
            cls,
            values.size(),
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            layout=values.layout,
            device="meta",
            requires_grad=requires_grad,
        )
        made.values = values
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})

    device = property(lambda self: _simulated)
    is_cuda = property(lambda self: _simulated == CUDA)
    is_mps = property(lambda self: _simulated == MPS)
    is_meta = property(lambda self: False)

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        copy = kwargs.pop("copy", False)
        device, dtype, _, _ = torch._C._nn._parse_to(*args, **kwargs)
        stays = device is None or device.type != "cpu"
        if stays and dtype in (None, self.dtype) and not copy:
            return self
        return torch.ops.aten._to_copy(self, device=_simulated if stays else device, dtype=dtype)

    def cpu(self) -> Tensor:
        return self.to("cpu")

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def numpy(self, *_: Any, **__: Any) -> Any:
        raise TypeError(f"can't convert {_simulated} device type tensor to numpy")

    __array__ = numpy

    def new_tensor(self, data: Any, dtype: torch.dtype | None = None) -> Tensor:
        return torch.tensor(data, dtype=dtype or self.dtype, device=_simulated)

    def record_stream(self, stream: Any) -> None: ...

    def is_pinned(self) -> bool:
        return False

    def __getitem__(self, key: Any) -> Tensor:
        return Tensor.__getitem__(self, _lists_on_gpu(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        Tensor.__setitem__(self, _lists_on_gpu(key), value)

    def __deepcopy__(self, memo: dict) -> GpuTensor:
        if id(self) not in memo:
            memo[id(self)] = copied = GpuTensor(self.values.clone(), self.requires_grad)
            copied._is_param = getattr(self, "_is_param", False)
        return memo[id(self)]

    def __repr__(self, **_: Any) -> str:
        return f"gpu({self.values!r})"


def _lists_on_gpu(key: Any) -> Any:
    if isinstance(key, tuple):
        return tuple(map(_lists_on_gpu, key))
    if not isinstance(key, list):
        return key
    return torch.tensor(key, dtype=None if key else torch.long, device=_simulated)


class _Memory:
    """Where a tensor lies that a recorded step reads and has not made: it is not held."""

    def __init__(self, tensor: Tensor) -> None:
        self._storage = StorageWeakRef(tensor.untyped_storage())
        self._dtype, self._offset = tensor.dtype, tensor.storage_offset()
        self._shape, self._strides = tensor.shape, tensor.stride()

    def tensor(self, func: Any) -> Tensor:
        storage = torch.UntypedStorage._new_with_weak_ptr(self._storage.cdata)
        if storage is None:
            raise GpuError(f"{func} of a recorded step reads memory that was freed")
        empty = torch.empty(0, dtype=self._dtype)
        return empty.set_(storage, self._offset, self._shape, self._strides)


class Graph:
    """As `torch.cuda.CUDAGraph`."""

    recorded = 0
    replayed = 0
    is_full = False
    """Whether the device has no memory left for one."""

    def __init__(self) -> None:
        self._calls: list[tuple[Any, Any, Any, list]] = []
        self._made: set[int] = set()
        self._before: list[tuple[Tensor, Tensor]] = []

    def run(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Run an operation and remember it, and what it overwrites."""
        for argument, value in zip(func._schema.arguments, args, strict=False):
            if argument.alias_info and argument.alias_info.is_write:
                for each in tree_leaves(value):
                    if isinstance(each, Tensor):
                        self._before.append((each, each.clone()))
        remembered = tree_map(self._remembered, (args, kwargs))
        result = func(*args, **kwargs)
        outs = [each for each in tree_leaves(result) if isinstance(each, Tensor)]
        given = {_place(each) for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)}
        self._made |= {_place(each) for each in outs} - given
        self._calls.append((func, *remembered, tree_map(self._remembered, outs)))
        return result

    def _remembered(self, value: Any) -> Any:
        outside = isinstance(value, Tensor) and _place(value) not in self._made
        return _Memory(value) if outside else value

    def end(self) -> None:
        """Undo it all: recording computes nothing."""
        for tensor, values in reversed(self._before):
            tensor.copy_(values)
        self._before.clear()
        Graph.recorded += 1

    def replay(self) -> None:
        """Run all operations again; their results go where the first ones lie."""
        Graph.replayed += 1
        for func, args, kwargs, outs in self._calls:

            def found(value: Any, func: Any = func) -> Any:
                return value.tensor(func) if isinstance(value, _Memory) else value

            again = func(*tree_map(found, args), **tree_map(found, kwargs))
            again = [each for each in tree_leaves(again) if isinstance(each, Tensor)]
            for place, value in zip(map(found, outs), again, strict=True):
                if place.data_ptr() != value.data_ptr():
                    place.copy_(value)


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


_here = threading.local()


def _run(func: Any, args: Any, kwargs: Any) -> Any:
    """Run an operation where its tensors are."""
    tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
    device = torch.device(kwargs["device"]) if kwargs.get("device") is not None else None
    to_gpu = device is not None and device.type != "cpu"
    if not to_gpu and not any(isinstance(each, GpuTensor) for each in tensors):
        return func(*args, **kwargs)
    name = func.overloadpacket.__name__
    to_host = not isinstance(args[0], GpuTensor) if name == "copy_" else bool(device) and not to_gpu
    graph = getattr(_here, "graph", None)
    _refuse(func, name, args, kwargs, tensors)
    if graph:
        _refuse_while_recording(func, name, args, tensors, to_host)

    wrappers = {id(each.values): each for each in tensors if isinstance(each, GpuTensor)}

    def on_host(value: Any) -> Any:
        return value.values if isinstance(value, GpuTensor) else value

    args, kwargs = tree_map(on_host, (args, kwargs))
    kwargs.pop("pin_memory", None)
    if device:
        kwargs["device"] = torch.device("cpu")
    result = graph.run(func, args, kwargs) if graph else func(*args, **kwargs)

    def on_gpu(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        if _simulated == MPS and value.dtype == torch.float64:
            raise TypeError(
                "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support "
                "float64. Please use float32 instead."
            )
        return wrappers[id(value)] if id(value) in wrappers else GpuTensor(value)

    return result if to_host else tree_map(on_gpu, result)


def _refuse(func: Any, name: str, args: Any, kwargs: Any, tensors: list[Tensor]) -> None:
    hosts = [each for each in tensors if not isinstance(each, GpuTensor)]
    if any(each.device.type == "meta" for each in hosts):
        raise AssertionError(f"{func}: the simulation lost the values of a tensor")
    if len(hosts) < len(tensors) and name not in BETWEEN | INDEXING:
        mixed = [list(each.shape) for each in hosts if each.ndim]
        if mixed:
            raise GpuError(f"{func}: tensors on {_simulated} and on the cpu, of shape {mixed}")
    if _simulated == MPS and name in ABSENT_ON_MPS:
        raise NotImplementedError(f"{func} is not currently implemented for the MPS device")
    if _simulated == MPS and _goes_on_before_the_copy(func, args, kwargs) and hosts:
        raise GpuError(f"{func}: the host's memory may be freed before mps reads it")
    if _is_strict() and _has_no_fixed_order(func, name, args):
        raise GpuError(f"{name}_cuda does not have a deterministic implementation, but you set it")
    if isinstance(kwargs.get("generator"), torch.Generator):
        raise GpuError(f"{func}: expected a '{_simulated.type}' generator")


def _goes_on_before_the_copy(func: Any, args: Any, kwargs: Any) -> bool:
    names = [argument.name for argument in func._schema.arguments]
    return bool({**dict(zip(names, args, strict=False)), **kwargs}.get("non_blocking"))


def _has_no_fixed_order(func: Any, name: str, args: Any) -> bool:
    if name == "median":
        return func._overloadname == "dim"  # with indices, of which several may be right
    return name in UNREPEATABLE or (name == "cumsum" and args[0].is_floating_point())


def _is_strict() -> bool:
    asked = torch.are_deterministic_algorithms_enabled()
    return asked and not torch.is_deterministic_algorithms_warn_only_enabled()


def _refuse_while_recording(
    func: Any, name: str, args: Any, tensors: list[Tensor], to_host: bool
) -> None:
    said = WAITING.get(name)
    if name in DRAWING:
        said = "draws, which is done before a step"
    if to_host or any(not isinstance(each, GpuTensor) and each.ndim for each in tensors):
        said = "copies from or to the host"
    if name in INDEXING and any(
        each is not None and each.dtype in (torch.bool, torch.uint8) for each in args[1]
    ):
        said = "by a mask has a shape that the host must wait for"
    if said:
        raise GpuError(f"operation not permitted when stream is capturing: {func} {said}")


class _Mode(TorchDispatchMode):
    """Makes tensors on the GPU where a call asks for one."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Stream:
    def __init__(self, *_: Any) -> None: ...

    def wait_stream(self, stream: Any) -> None: ...

    def wait_event(self, event: Any) -> None: ...

    def record_event(self) -> object:
        return object()

    def is_capturing(self) -> bool:
        return _is_recording()


def _is_recording() -> bool:
    return getattr(_here, "graph", None) is not None


def _current_stream(*_: Any) -> _Stream:
    if not hasattr(_here, "stream"):
        _here.stream = _Stream()
    return _here.stream


@contextmanager
def _stream(stream: _Stream) -> Iterator[None]:
    before, _here.stream = _current_stream(), stream
    try:
        yield
    finally:
        _here.stream = before


_recordings = threading.Semaphore()


@contextmanager
def _recording(graph: Graph, *, stream: _Stream | None = None, **_: Any) -> Iterator[None]:
    """As `torch.cuda.graph`: one at a time; one that fails does so twice, and leaves its stream."""
    if not _recordings.acquire(blocking=False):
        raise GpuError("operation not permitted when stream is capturing: another recording")
    before, _here.stream, _here.graph = _current_stream(), stream or _Stream(), graph
    try:
        if Graph.is_full:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        yield
    except BaseException as error:
        raise GpuError("operation failed due to a previous error during capture") from error
    else:
        _here.stream = before
    finally:
        _here.graph = None
        graph.end()
        _recordings.release()


OF_CUDA: dict[str, Any] = {
    "_lazy_init": lambda: None,
    "is_available": lambda: True,
    "device_count": lambda: 1,
    "current_device": lambda: 0,
    "set_device": lambda _: None,
    "get_device_name": lambda *_: "simulated",
    "is_bf16_supported": lambda **_: True,
    "mem_get_info": lambda *_: (8 << 30, 8 << 30),
    "memory_reserved": lambda *_: 0,
    "memory_allocated": lambda *_: 0,
    "Stream": _Stream,
    "current_stream": _current_stream,
    "stream": _stream,
    "graph_pool_handle": lambda: (0, 0),
    "CUDAGraph": Graph,
    "graph": _recording,
    "is_current_stream_capturing": _is_recording,
}
OF_ACCELERATORS: dict[str, Any] = {
    "current_accelerator": lambda *_, **__: _simulated,
    "current_device_index": lambda: 0,
    "current_stream": _current_stream,
    "is_available": lambda: True,
    "set_device_index": lambda _: None,
}
"""What optimizers and the DataLoader ask, in older releases of `torch.cuda`."""


@contextmanager
def simulated_gpu(device: torch.device = CUDA) -> Iterator[type[Graph]]:
    """Give PyTorch a simulated device, `CUDA` or `MPS`, within the context, in every thread.

    Yields:
        The graphs, which count those that were recorded, and replays.
    """
    run, to = threading.Thread.run, Tensor.to

    def run_in_mode(self: threading.Thread) -> None:
        with _Mode():
            run(self)

    def to_numbered(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Number the device, for which PyTorch would ask its driver."""
        kwargs = {name: _numbered(value) for name, value in kwargs.items()}
        return to(self, *map(_numbered, args), **kwargs)

    def made_on_host(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def made(*args: Any, device: Any = None, **kwargs: Any) -> Tensor:
            return make(*args, **kwargs).to(device or "cpu")

        return made

    Graph.recorded, Graph.replayed, Graph.is_full = 0, 0, False
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "_simulated", device)
        if device == CUDA:
            for name, value in OF_CUDA.items():
                patch.setattr(torch.cuda, name, value)
        else:
            patch.setattr(torch.backends.mps, "is_available", lambda: True)
        for name, value in OF_ACCELERATORS.items():
            patch.setattr(torch.accelerator, name, value)
        patch.setattr(Tensor, "to", to_numbered)
        patch.setattr(Tensor, "pin_memory", lambda self, *_: self)
        patch.setattr(threading.Thread, "run", run_in_mode)
        # parameters of a module that moves stay who they are, as on a card
        patch.setattr(torch.__future__, "_swap_module_params_on_conversion", True)
        for name in ("tensor", "as_tensor"):
            patch.setattr(torch, name, made_on_host(getattr(torch, name)))
        with _Mode():
            yield Graph


def _numbered(value: Any) -> Any:
    isa_device = isinstance(value, str | torch.device)
    return _simulated if isa_device and torch.device(value).type == _simulated.type else value
