"""What last bits depend on beside all inputs: device and precision, and on a CPU the threads.

PyTorch keeps the number of threads for each thread, and a new thread takes what any thread set
last: work that relies on the number it finds has other bits beside other work. So work sets its
own, and what is stored is known by it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.precision import Precision, PrecisionSetting

SMALL_WORK = 10_000_000
"""Weights of transformer blocks up to which one thread is used (our choice).

The embedded CLIP has 1.4 million: its steps are so short that a second thread costs more than it
brings. The smallest published towers, of ViT-B/32, have 124 million.
"""

MACHINE_THREADS = torch.get_num_threads()
"""What PyTorch takes by itself: one a core, or OMP_NUM_THREADS. Read before it is set."""

Threads = int | Literal["auto"]

DTYPES: dict[Precision, torch.dtype] = {"bf16": torch.bfloat16, "fp16-amp": torch.float16}
"""What frozen towers hold their weights in, where that is not what they were loaded in."""


def resolve_threads(setting: Threads, weights: int) -> int:
    """Return the number of threads for a model with so many weights in its blocks.

    `auto` is one thread up to `SMALL_WORK` weights, and `MACHINE_THREADS` above.
    """
    if setting == "auto":
        return 1 if weights <= SMALL_WORK else MACHINE_THREADS
    return setting


def resolve_precision(setting: PrecisionSetting, device: str) -> Precision:
    """Return the precision that a setting means on a kind of device.

    `auto` is bf16 on CUDA, fp16-amp where a card has no bf16, and fp32 elsewhere (our choice).
    Published CLIP computes in fp16 on a GPU. bf16 needs no scaled loss and is as fast there;
    prompts trained in either are as accurate as in fp32, within the spread over seeds
    (docs/performance.md).

    Raises:
        ConfigError: there is no such setting, or the device does not compute so.
    """
    if setting not in get_args(PrecisionSetting):
        allowed = ", ".join(get_args(PrecisionSetting))
        raise ConfigError(f"precision: unknown {setting!r}; allowed: {allowed}")
    if device != "cuda":
        if setting == "tf32":
            raise ConfigError(
                f"precision: tf32 is of NVIDIA GPUs, not of {device}; use fp32 or bf16"
            )
        return "fp32" if setting == "auto" else setting
    # older cards emulate it: slowly, and not in convolutions
    has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    if setting == "auto":
        return "bf16" if has_bf16 else "fp16-amp"
    if setting == "bf16" and not has_bf16:
        raise ConfigError("precision: this GPU is older than bf16 (Ampere); use auto or fp16-amp")
    return setting


@dataclass(frozen=True)
class Arithmetic:
    """How a model is computed.

    Attributes:
        device: kind of device, as `cpu`.
        threads: of PyTorch, in whichever thread the work is done.
        precision: of the frozen towers.
    """

    device: str
    threads: int
    precision: Precision = "fp32"

    @property
    def key(self) -> str:
        """What stored results are known by: threads count only where they compute."""
        where = f"cpu, threads {self.threads}" if self.device == "cpu" else self.device
        return where if self.precision == "fp32" else f"{where}, {self.precision}"

    def in_single(self) -> Arithmetic:
        """Return the same in single precision."""
        return replace(self, precision="fp32")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Compute so in this thread, and afterwards as before."""
        with torch_threads(self.threads), matrix_products(self.precision == "tf32"):
            yield


def in_double(values: Tensor) -> Tensor:
    """Return values in double precision, on the host where their device has none, as mps."""
    return (values.cpu() if values.device.type == "mps" else values).double()


@contextmanager
def matrix_products(tf32: bool) -> Iterator[None]:
    """Let a GPU round the factors of products in single precision to 10 bits, or not.

    PyTorch does so in convolutions unless it is told not to, and CLIP's image tower begins with
    one: fp32 means single precision here. Its switches are those of the process. So threads that
    ask for the same compute at once, and one that asks for something else waits for them.
    """
    outer = getattr(_of_thread, "tf32", None)
    _switch(outer, tf32)
    try:
        yield
    finally:
        _switch(tf32, outer)


_of_thread = threading.local()
_changed = threading.Condition()
_computing = {True: 0, False: 0}  # threads, by what they asked for; one that waits is in neither
_before = (False, True)  # the switches when nobody computed


def _switch(old: bool | None, new: bool | None) -> None:
    """Let this thread compute otherwise from now on; none is as it was before all of them."""
    global _before  # noqa: PLW0603  (of the process, as PyTorch's switches are)
    with _changed:
        if old is not None:
            _computing[old] -= 1
            _changed.notify_all()
        if new is not None:
            _changed.wait_for(lambda: not _computing[not new])
            if not any(_computing.values()) and old is None:
                _before = _switches()
            _computing[new] += 1
            _set_switches((new, new))
        elif not any(_computing.values()):
            _set_switches(_before)
        _of_thread.tf32 = new


def _switches() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


def _set_switches(values: tuple[bool, bool]) -> None:
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = values


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Compute with `count` threads in this thread, and then with as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
