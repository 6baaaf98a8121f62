"""Peak memory of a step, each in a process of its own.

Run by performance.py; alone: python tests/speed/peaks.py ours 100
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from cases import COOP, features, learner, step
from published import published, random_clip

GB = 1e9
BOUND = 500_000_000  # bytes


def compare(device: str) -> dict[str, Any]:
    """What a CoOp step at 100 classes takes above the loaded model, both ways."""
    theirs, ours = (_measured(side, 100, device) for side in ("published", "ours"))
    return {
        "published": theirs["step"],
        "ours": ours["step"],
        "ratio": theirs["step"] / ours["step"],
        "published_process": theirs["process"],
        "ours_process": ours["process"],
    }


def thousand(device: str) -> dict[str, Any]:
    """A step with 1,000 classes: as memory is here, and within half a gigabyte."""
    ample, bounded = (_measured(side, 1000, device) for side in ("ours", "bounded"))
    return {
        "step": ample["step"],
        "process": ample["process"],
        "bounded_step": bounded["step"],
        "bounded_process": bounded["process"],
    }


def _measured(side: str, classes: int, device: str) -> dict[str, float]:
    command = [sys.executable, __file__, side, str(classes), device]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _gigabytes(device: str, which: str) -> float:
    """Memory now (`VmRSS`) or at most (`VmHWM`) of the process, or of the device."""
    if device == "cuda":
        now = {"VmRSS": torch.cuda.memory_allocated, "VmHWM": torch.cuda.max_memory_allocated}
        return now[which]() / GB
    words = Path("/proc/self/status").read_text().split()
    return int(words[words.index(f"{which}:") + 1]) * 1024 / GB


def main(side: str, classes: str, device: str = "cpu") -> None:
    """Print gigabytes of the step and of the process."""
    logging.disable(logging.WARNING)
    clip = random_clip(device)
    sides = {
        "published": lambda: published(clip),
        "ours": lambda: clip,
        "bounded": lambda: clip.computing(clip.dtype, memory=BOUND),
    }
    of = learner(sides[side](), "coop", int(classes), {"length": 16, **COOP})
    images = features(clip, 32)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")  # the highest mark starts from here
    before = _gigabytes(device, "VmRSS")
    step(of, images)
    most = _gigabytes(device, "VmHWM")
    print(json.dumps({"step": most - before, "process": most}))


if __name__ == "__main__":
    main(*sys.argv[1:])
