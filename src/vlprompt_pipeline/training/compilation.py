"""Decide from the length of a run whether `torch.compile` pays, which nobody has to know."""

from __future__ import annotations

import logging
from functools import lru_cache

import torch

logger = logging.getLogger(__name__)

COMPILE_FROM = 40_000
"""Steps from which on a run is compiled on CUDA (our choice).

On an H200, 100 classes, bf16, compiling took 27 s and then saved 0.75 ms of each recorded step:
36,000 steps to win it back. A published run of CoOp has 10,000, ImageNet's 25,000. On a CPU it
saves 5 % of a step and changes last bits, so nothing is compiled there.
"""


def compiling_pays(steps: int, device: torch.device) -> bool:
    """Say whether a run of so many steps is faster in all with a compiled tower."""
    return device.type == "cuda" and steps >= COMPILE_FROM


@lru_cache
def can_compile(device: torch.device) -> bool:
    """Compile a sum to see whether this machine can; where it cannot, a warning says why.

    PyTorch compiles for a GPU with Triton, a C compiler and Python's headers, which slim images of
    containers lack.
    """
    try:
        torch.compile(lambda x: x + 1, dynamic=False)(torch.ones(8, device=device))
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        logger.warning(
            "torch.compile does not work here (%s): the text tower is not compiled, which makes "
            "long runs slower; it needs Triton, a C compiler and Python's headers",
            reason or type(error).__name__,
        )
        return False
    return True
