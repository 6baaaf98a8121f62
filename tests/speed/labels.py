"""How fast photos are labelled, beside what the model scores and what the cores decode alone.

Run: python tests/speed/labels.py FOLDER MODEL [PHOTOS]

Three rates in one process, in turn, medians of three rounds: blocks of pixels through the model;
photos decoded by a process a core, with no model beside; and both at once as `vlprompt predict`
does it. The last is divided by the lesser of the others.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from vlprompt_pipeline.inference import ImageModel, Photo, find_photos, open_model, predict_photos

ROUNDS = 3
_SHARED: dict[str, ImageModel] = {}


def decode(photo: Photo) -> int:
    """Decode in a process of its own."""
    return _SHARED["model"].pixels(photo.path.read_bytes()).shape[0]


def rate(count: int, work: Callable[[], object]) -> float:
    """Photos a second."""
    start = perf_counter()
    work()
    return count / (perf_counter() - start)


def main(folder: Path, address: str, count: int) -> None:
    """Measure and print."""
    model = open_model(address)
    _SHARED["model"] = model
    photos = list(islice(find_photos([folder]).photos, count))
    first = model.pixels(photos[0].path.read_bytes())
    block = np.repeat(first[None], model.block, axis=0)
    blocks = max(len(photos) // model.block, 1)
    cores = os.cpu_count() or 1
    rates: dict[str, list[float]] = {"model": [], "cores": [], "both": []}
    with multiprocessing.get_context("fork").Pool(cores) as pool:
        for _ in range(ROUNDS):
            rates["model"].append(
                rate(blocks * model.block, lambda: [model.scores(block) for _ in range(blocks)])
            )
            rates["cores"].append(rate(len(photos), lambda: pool.map(decode, photos, 64)))
            rates["both"].append(
                rate(len(photos), lambda: list(predict_photos(model, photos, top=1)))
            )
    model_rate, decode_rate, both = (median(values) for values in rates.values())
    print(f"{len(photos):,} photos, {cores} cores, {model.name} {model.version}, images a second:")
    print(f"model alone {model_rate:,.0f}, decoding alone {decode_rate:,.0f}, predict {both:,.0f}")
    print(f"predict / lesser of the two: {both / min(model_rate, decode_rate):.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 3000)
