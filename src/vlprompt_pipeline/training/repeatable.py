"""Let a GPU train with kernels that give the same bits again, and name what has none.

Many threads of a GPU add to one gradient in the order in which they happen to end: in attention,
and where rows of a table are gathered. PyTorch has other kernels, which take a fixed order and are
a little slower, but only takes them where that is asked for of the whole process. Then it refuses
operations that have none.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils import deterministic

logger = logging.getLogger(__name__)

_REFUSALS = ("does not have a deterministic implementation", "CUBLAS_WORKSPACE_CONFIG")
"""In the errors of PyTorch for an operation without such kernels, and for cuBLAS set otherwise."""

_changing = threading.Lock()
_strict: dict[int, bool] = {}  # threads that train on a GPU; false where one does without
_before = (False, False, True)  # of the process, when none did


@contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Take such kernels while this thread trains on a GPU; on other devices change nothing."""
    if device.type != "cuda":
        yield
        return
    thread = threading.get_ident()
    _set(thread, strict=True)
    try:
        yield
    finally:
        _set(thread, strict=None)


def does_without(error: RuntimeError, what: str) -> bool:
    """Go on with any kernels where the error says that there are no others, and warn.

    Args:
        error: what a step ended with.
        what: is trained, for the warning.

    Returns:
        Whether the step can be run again now. Other threads that train do without as well, until
        this one has ended.
    """
    if not (any(said in str(error) for said in _REFUSALS) and _strict.get(threading.get_ident())):
        return False
    logger.warning(
        "training %s again with the same seed may give other last bits on this GPU: %s",
        what,
        str(error).partition("\n")[0],
    )
    _set(threading.get_ident(), strict=False)
    return True


def _set(thread: int, *, strict: bool | None) -> None:
    """Note what a thread asks for (none: it has ended), and set the process to what all want."""
    global _before  # noqa: PLW0603  (of the process, as PyTorch's switches are)
    with _changing:
        if not _strict:
            _before = (
                torch.are_deterministic_algorithms_enabled(),
                torch.is_deterministic_algorithms_warn_only_enabled(),
                deterministic.fill_uninitialized_memory,
            )
        if strict is None:
            _strict.pop(thread, None)
        else:
            _strict[thread] = strict
        # filling memory with NaN finds reads of what was never written, at a cost in every step
        enabled, only_warn, fill = (True, not all(_strict.values()), False) if _strict else _before
        torch.use_deterministic_algorithms(enabled, warn_only=only_warn)
        deterministic.fill_uninitialized_memory = fill
