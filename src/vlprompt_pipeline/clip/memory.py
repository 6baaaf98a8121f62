"""Memory for what the backward pass needs: kept where there is room, computed again where not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import psutil
import torch
from torch.utils.checkpoint import checkpoint

Result = TypeVar("Result")

logger = logging.getLogger(__name__)

SHARE = 0.5  # of the free memory that one pass through a tower may keep: our choice
GROUP = Path("/proc/self/cgroup")  # where Linux tells the group of a process,
CGROUPS = Path("/sys/fs/cgroup")  # and the limits of all groups, which lie in each other


class Room:
    """Room for the intermediate results of one forward pass.

    What does not fit is computed again in the backward pass (activation checkpointing). The same
    operations run on the same values either way, so the room never changes a bit of a result.
    """

    def __init__(self, memory: int | None, device: torch.device, reserved: int = 0) -> None:
        """Take `memory` in bytes, or half of what is free on the device where it is none.

        Of it `reserved` bytes are held back for a part that is computed again.

        What is free is asked only where something is to be kept: a pass without gradient asks
        nothing, and training gives its budget with the tower.
        """
        if memory is None:
            memory = memory_budget(device) if torch.is_grad_enabled() else 0
        self.memory, self.left = memory, memory - reserved

    def run(self, part: Callable[..., Result], need: int, *tensors: object) -> Result:
        """Return `part(*tensors)`, its intermediate results of `need` bytes kept if they fit."""
        if not torch.is_grad_enabled():
            return part(*tensors)
        if need <= self.left:
            self.left -= need
            return part(*tensors)
        _tell(f"{self.memory / 1e9:.2f} GB")
        return checkpoint(part, *tensors, use_reentrant=False, preserve_rng_state=False)


@lru_cache
def _tell(budget: str) -> None:
    """Log once that a pass is cut to its budget."""
    logger.info(
        "what a pass needs for its gradient is more than %s: the rest is computed twice, with the "
        "same result (training.memory_gb)",
        budget,
    )


def memory_budget(device: torch.device) -> int:
    """Return bytes that one pass through a tower may keep."""
    return int(SHARE * free_memory(device))


def free_memory(device: torch.device) -> int:
    """Return the bytes that a computation on `device` may still take.

    On a CPU the least of what the system says is available and what the limits of a container, or
    of a job of Slurm, leave.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return min([psutil.virtual_memory().available, *_left_by_limits()])


def _left_by_limits() -> Iterator[int]:
    """Yield the bytes that the limit of this process's group leaves, and those of groups around it.

    Files that were read count as taken there until their room is asked for.
    """
    try:
        own = Path(GROUP.read_text().rpartition("::")[2].strip())
    except OSError:  # no Linux
        return
    for each in (own, *own.parents):
        try:
            group = CGROUPS / each.relative_to("/")
            limit, taken = (
                int((group / f"memory.{name}").read_text()) for name in ("max", "current")
            )
            stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):  # no limit
            continue
        yield max(1, limit - taken + int(stat.get("inactive_file", 0)))
