"""Every GPU figure of docs/performance.md: the official way against ours, in one process.

Run: python tests/speed/gpu.py [--parts steps,seeds] [--device cuda] [--repeats 20] [--tiny]

Each part takes at most eight minutes on one H100 or H200. The official way computes in fp16,
context included, as the configurations of its repositories say; ours in the default precision of
the device, prompts in fp32. Figures are medians; both sides take turns. `--tiny` tries the script
on a small CLIP and few images, `--device cpu` without a GPU; such figures say nothing about one.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import subprocess
import sys
import time
import traceback
from collections.abc import Callable

import gpu_cells
import gpu_images
import gpu_steps
import torch
from gpu_bench import Bench

PARTS: dict[str, Callable[[Bench], None]] = {
    "steps": gpu_steps.steps,
    "compiled": gpu_steps.compiled,
    "precisions": gpu_steps.precisions,
    "seeds": gpu_steps.seeds,
    "pixels": gpu_steps.pixels,
    "where": gpu_steps.where_time_goes,
    "same": gpu_steps.same_bits,
    "memory": gpu_steps.memory,
    "features": gpu_images.features,
    "evaluation": gpu_images.evaluation,
    "accuracy": gpu_cells.accuracy_by_precision,
    "methods": gpu_cells.all_methods,
    "cell": gpu_cells.published_cell,
}


def main() -> None:
    """Measure the parts asked for, all if none are."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--tiny", action="store_true")
    asked = parser.parse_args()
    if asked.device == "cuda" and not torch.cuda.is_available():
        print("skipped: PyTorch sees no CUDA device on this machine")
        return
    unknown = set(asked.parts.split(",")) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    logging.disable(logging.INFO)
    print(f"# {_machine(asked.device)}{', tiny: figures mean nothing' if asked.tiny else ''}")
    bench = Bench(asked.device, asked.repeats, asked.tiny)
    failed = []
    for part in asked.parts.split(","):
        started = time.perf_counter()
        print(f"\n## {part}", flush=True)
        try:
            PARTS[part](bench)
        except Exception:  # the time on a card is short: the other parts go on
            failed.append(part)
            traceback.print_exc(file=sys.stdout)
        print(f"({time.perf_counter() - started:.0f} s)", flush=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def _machine(device: str) -> str:
    versions = f"Python {platform.python_version()}, PyTorch {torch.__version__}"
    if device == "cpu":
        return f"CPU, {torch.get_num_threads()} thread(s), {versions}"
    free, total = torch.cuda.mem_get_info()
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        driver = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        driver = "unknown"
    return (
        f"{torch.cuda.get_device_name()}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB free, "
        f"driver {driver}, {versions}, CUDA {torch.version.cuda}, {os.cpu_count()} cores"
    )


if __name__ == "__main__":
    main()
