"""Feature extraction from photos on disk against the same model fed from memory, in one process.

Run: python tests/speed/decoding.py <folder of caltech-101> [--photos 0]

The sizes are those of ViT-B/32 with random weights in bfloat16. Both sides take turns, so that a
busy moment meets both: 125 inputs that are in memory, then as many photos through the store.
`--photos 0` takes all 8,242 of the split, else 1,500 are spread over the classes. The ratio of the
rates needs a machine with nothing else to do; that of the processor's seconds holds on a busy one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import NamedTuple

import torch

from vlprompt_pipeline.clip import (
    ClipIdentity,
    EvaluationView,
    FeatureStore,
    FrozenClip,
    ImageSet,
    Preprocessing,
)
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.clip.tokenizers import ClipTokenizer
from vlprompt_pipeline.image_datasets import read_split

ROUND = 125


class Cost(NamedTuple):
    """Seconds of wall time and of the processor's cores."""

    wall: float
    processor: float


@contextmanager
def timed(costs: list[Cost]) -> Iterator[None]:
    """Append what the block costs."""
    before = perf_counter(), process_time()
    yield
    costs.append(Cost(perf_counter() - before[0], process_time() - before[1]))


def main() -> None:
    """Print both rates and the two ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("caltech", type=Path)
    parser.add_argument("--photos", type=int, default=1500, help="0: all 8,242")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    clip = random_clip()
    view = EvaluationView(clip.preprocessing)
    paths = read_split(given.caltech / "split_zhou_Caltech101.json").table["path"].tolist()
    if given.photos:
        paths = paths[:: len(paths) // given.photos][: given.photos]
    folder = given.caltech / "101_ObjectCategories"
    batch = torch.cat([view.pixels(folder / path, path) for path in paths[:ROUND]])
    clip.encode_images(batch)  # the first call allocates
    memory: list[Cost] = []
    disk: list[Cost] = []
    for start in range(0, len(paths), ROUND):
        part = tuple(paths[start : start + ROUND])
        with timed(memory):
            clip.encode_images(batch[: len(part)])
        with TemporaryDirectory() as place, timed(disk):
            images = ImageSet(folder, part, part)
            FeatureStore(Path(place)).extract(clip, images, view, workers=given.workers)
    print(f"{len(paths):,} photos, {torch.get_num_threads()} threads, {given.workers} workers")
    rates = [len(paths) / sum(cost.wall for cost in costs) for costs in (memory, disk)]
    cores = [sum(cost.processor for cost in costs) for costs in (memory, disk)]
    print(f"from memory {rates[0]:6.1f} images/s  {cores[0]:6.1f} s of the processor")
    print(f"from disk   {rates[1]:6.1f} images/s  {cores[1]:6.1f} s of the processor")
    each = [a.wall / b.wall for a, b in zip(memory, disk, strict=True)]
    print(f"ratio of the rates {rates[1] / rates[0]:.2f}, median of the rounds {median(each):.2f}")
    print(f"ratio of the processor's seconds {cores[0] / cores[1]:.2f}")


def random_clip() -> FrozenClip:
    """ViT-B/32 with random weights in bfloat16."""
    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-32").to(torch.bfloat16)
    preprocessing = Preprocessing(224, open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    return FrozenClip(model, ClipTokenizer(), preprocessing, "random", ClipIdentity("random"))


if __name__ == "__main__":
    main()
