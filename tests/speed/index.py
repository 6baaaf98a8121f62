"""Indexing ImageNet: 1.3 million file names, none of them opened.

Run: python tests/speed/index.py [folder]

Makes a tree of empty files with ImageNet's counts in a temporary folder (about 1.4 million inodes,
removed afterwards) and indexes it as a run does. Prints the seconds and the highest memory of the
process so far, after one plain walk over the tree that looks at every file, then after the index.
"""

from __future__ import annotations

import os
import resource
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from vlprompt_pipeline.image_datasets import IMAGE_DATASETS, ImageDataset, build_index

CLASSES = 1000
PARTS = {"train": 1_281_167, "val": 50_000}


def make_tree(root: Path, benchmark: ImageDataset) -> None:
    """Write `classnames.txt` and empty files named as ImageNet's, spread evenly over classes."""
    images = benchmark.image_folder(root)
    ids = [f"n{10_000_000 + number}" for number in range(CLASSES)]
    for part, total in PARTS.items():
        for number, key in enumerate(ids):
            folder = images / part / key
            folder.mkdir(parents=True)
            place = os.open(folder, os.O_RDONLY)  # names within the folder: no path to walk
            for image in range(total // CLASSES + (number < total % CLASSES)):
                os.close(os.open(f"{key}_{image}.JPEG", os.O_CREAT | os.O_WRONLY, dir_fd=place))
            os.close(place)
    lines = [f"{key} class {number}" for number, key in enumerate(ids)]
    (benchmark.dataset_folder(root) / "classnames.txt").write_text("\n".join(lines))


def walk(folder: Path) -> int:
    """Look at every file once, the least an index by size and time can do."""
    return sum(
        entry.stat().st_size == 0
        for place, _, _ in os.walk(folder)
        for entry in os.scandir(place)
        if entry.is_file()
    )


def peak() -> float:
    """Highest memory of this process so far, in gigabytes."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes * 1024 / 1e9


def main() -> None:
    """Print a line for the walk and one for the index."""
    benchmark = replace(IMAGE_DATASETS["imagenet"], split_sha256=None)
    with TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else None) as folder:
        root = Path(folder).resolve()
        started = perf_counter()
        make_tree(root, benchmark)
        print(f"tree made in {perf_counter() - started:.0f} s")
        started = perf_counter()
        files = walk(benchmark.image_folder(root))
        print(f"plain walk   {files:9,} files  {perf_counter() - started:5.1f} s  {peak():.2f} GB")
        started = perf_counter()
        index = build_index(benchmark, root)
        seconds = perf_counter() - started
        print(f"build_index  {len(index.table):9,} rows   {seconds:5.1f} s  {peak():.2f} GB")


if __name__ == "__main__":
    main()
