"""Every figure of docs/performance.md: the published way against ours, in one process.

Run: python tests/speed/performance.py [--rows coop-100-16,memory] [--threads 2] [--repeats 3]

Both sides take turns, so that a busy moment meets both; figures are medians. Results are added to
docs/performance.json and the page is written anew from it. On a machine with CUDA everything runs
there, once more in bf16 and fp16.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import platform
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import accuracy
import peaks
import shares
import torch
from cases import COOP, Case, cases, features, learner, step
from page import write_page
from published import random_clip
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.clip.loading import resolve_device

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "performance.json"
LOWER = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Clock:
    """Seconds of a call: of the processor where one thread works, else of the wall."""

    def __init__(self, device: str, threads: int) -> None:
        self.device = device
        self.now = time.thread_time if device == "cpu" and threads == 1 else time.perf_counter

    def __call__(self, call: Callable[[], Any]) -> tuple[float, Any]:
        """Seconds, and what the call returned."""
        self._wait()
        started = self.now()
        result = call()
        self._wait()
        return self.now() - started, result

    def _wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


def compare(case: Case, clock: Clock, repeats: int) -> dict[str, Any]:
    """A row: seconds of both, how far the results differ, share of the matrix-multiply rate."""
    clock(case.ours)  # kernels are chosen and memory is fetched
    with FlopCounterMode(display=False) as counter:
        case.ours()
    work = counter.get_total_flops()
    rows = []
    for _ in range(repeats):
        theirs, (loss, gradient) = clock(case.reference)
        rate = multiply_rate(clock, torch.float32)
        mine, result = clock(case.ours)
        rows.append((theirs / case.part, mine, work / mine / rate))
    theirs, mine, share = (median(column) for column in zip(*rows, strict=True))
    our_loss, our_gradient = case.same() if case.same else result
    difference, largest = (our_gradient - gradient).abs().max(), gradient.abs().max()
    return {
        "title": case.title,
        "target": case.target,
        "published": theirs,
        "ours": mine,
        "ratio": theirs / mine,
        "loss_difference": (our_loss - loss).abs().item(),
        "gradient_difference": (difference / largest).item() if largest > 0 else None,
        "share": share,
    }


def multiply_rate(clock: Clock, dtype: torch.dtype) -> float:
    """Operations a second of one large matrix product."""
    left = torch.randn(1024, 2048, dtype=dtype, device=clock.device)
    right = torch.randn(2048, 2048, dtype=dtype, device=clock.device)
    seconds = median(clock(lambda: left @ right)[0] for _ in range(5))
    return 2 * 1024 * 2048 * 2048 / seconds


def linear(clip: FrozenClip, clock: Clock, repeats: int) -> dict[str, Any]:
    """Seconds per class with 50 and 1,000 classes, and how far 500 are off the line of both."""
    sides = {c: learner(clip, "coop", c, {"length": 16, **COOP}) for c in (50, 500, 1000)}
    images = features(clip, 32)
    seconds: dict[int, list[float]] = {classes: [] for classes in sides}
    for side in sides.values():
        step(side, images)
    for _ in range(repeats):
        for classes, side in sides.items():
            seconds[classes].append(clock(lambda: step(side, images))[0] / classes)  # noqa: B023
    few, middle, many = (median(values) for values in seconds.values())
    line = 50 * few + (1000 * many - 50 * few) * 450 / 950
    return {"few": few, "many": many, "ratio": many / few, "bend": 500 * middle / line - 1}


def lower(clip: FrozenClip, clock: Clock, repeats: int, dtype: torch.dtype) -> dict[str, Any]:
    """Our own step in single and in lower precision."""
    prompt, images = {"length": 16, **COOP}, features(clip, 32)
    sides = [learner(c, "coop", 100, prompt) for c in (clip, clip.computing(dtype))]
    results: list[tuple[Tensor, Tensor]] = [step(side, images) for side in sides]
    seconds: list[list[float]] = [[], []]
    for _ in range(repeats):
        for side, taken in zip(sides, seconds, strict=True):
            taken.append(clock(lambda: step(side, images))[0])  # noqa: B023
    single, less = map(median, seconds)
    (loss, gradient), (other_loss, other_gradient) = results
    cosine = torch.cosine_similarity(gradient, other_gradient, dim=0)
    return {
        "single": single,
        "lower": less,
        "ratio": single / less,
        "loss_difference": (other_loss - loss).abs().item(),
        "gradient_cosine": cosine.item(),
    }


def compiled(clip: FrozenClip, clock: Clock, repeats: int) -> dict[str, Any]:
    """Our own step as it is and with the tower's parts compiled; seconds that compiling takes."""
    torch._inductor.config.force_disable_caches = True  # as on a machine that never did it
    prompt, images = {"length": 16, **COOP}, features(clip, 32)
    other = copy.copy(clip)
    other.text = clip.text.compiled()
    sides = [learner(one, "coop", 100, prompt) for one in (clip, other)]
    begin = [clock(lambda side=side: step(side, images))[0] for side in sides]
    seconds: list[list[float]] = [[], []]
    for _ in range(repeats):
        for side, taken in zip(sides, seconds, strict=True):
            taken.append(clock(lambda: step(side, images))[0])  # noqa: B023
    plain, less = map(median, seconds)
    return {"plain": plain, "compiled": less, "ratio": plain / less, "begin": begin[1] - begin[0]}


def main() -> None:
    """Measure the rows asked for, all if none are, and write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", default="")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    logging.disable(logging.WARNING)  # random weights are meant
    torch.set_num_threads(asked.threads)
    device = resolve_device("auto")
    clip, clock = random_clip(device), Clock(device, asked.threads)
    wanted = set(filter(None, asked.rows.split(",")))
    rows: dict[str, Callable[[], dict[str, Any]]] = {
        row: lambda make=make: compare(make(), clock, asked.repeats)
        for row, make in cases(clip).items()
    }
    rows["linear"] = lambda: linear(clip, clock, asked.repeats)
    rows["compiled"] = lambda: compiled(clip, clock, asked.repeats)
    rows["memory"] = lambda: peaks.compare(device)
    rows["memory-1000"] = lambda: peaks.thousand(device)
    rows["accuracy"] = accuracy.compare
    rows["shares"] = lambda: shares.measure(clip)
    for name, dtype in LOWER.items() if device == "cuda" else [("bf16", torch.bfloat16)]:
        rows[name] = lambda dtype=dtype: lower(clip, clock, asked.repeats, dtype)
    name = torch.cuda.get_device_name() if device == "cuda" else _processor()
    for row, measure in rows.items():
        if wanted and row not in wanted:
            continue
        found = measure()
        about = {
            "threads": asked.threads,
            "date": f"{date.today():%Y-%m-%d}",
            "repeats": asked.repeats,
        }
        print(row, found, flush=True)
        results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        measured = results.get(name, {}) | {row: found | about}
        results[name] = {each: measured[each] for each in rows if each in measured}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        write_page(results, RESULTS.with_suffix(".md"))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
