"""How fast photos are labelled, beside what the model scores and what the cores decode alone.

Run: python tests/speed/labels.py FOLDER MODEL [--photos 3000] [--rounds 3]

Three tasks in one process, in turn, medians over the rounds: blocks of pixels through the model,
with the threads that it has; photos decoded by a process a core, with no model beside; and both
at once as `vlprompt predict` does it. Of each, photos a second by the clock, and milliseconds of
a core a photo.

On an idle machine the rate of `predict` over the lesser of the two others counts. They share the
cores when they run at once and did not before, so that 1 cannot always be reached: the most that
can be stands beside it. On a busy machine the last line counts: what `predict` takes of the cores
beyond decoding and the model.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import psutil

from vlprompt_pipeline.inference import ImageModel, Photo, find_photos, open_model, predict_photos

_SHARED: dict[str, ImageModel] = {}


class Cost(NamedTuple):
    """What a photo takes, in milliseconds: by the clock, and of all cores together."""

    clock: float
    processor: float


def decode(photo: Photo) -> int:
    """Decode in a process of its own."""
    return _SHARED["model"].pixels(photo.path.read_bytes()).shape[0]


def processor_seconds() -> float:
    """User and system time of this process and of those that decode or did."""
    me = psutil.Process()
    times = [process.cpu_times() for process in (me, *me.children())]
    ended = times[0].children_user + times[0].children_system
    return ended + sum(each.user + each.system for each in times)


def cost(count: int, work: Callable[[], object]) -> Cost:
    """Measure work on so many photos."""
    clock, processor = time.perf_counter(), processor_seconds()
    work()
    taken = time.perf_counter() - clock, processor_seconds() - processor
    return Cost(*(1e3 * seconds / count for seconds in taken))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("model")
    parser.add_argument("--photos", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    model = open_model(given.model)
    _SHARED["model"] = model
    photos = list(islice(find_photos([given.folder]).photos, given.photos))
    first = model.pixels(photos[0].path.read_bytes())
    block = np.repeat(first[None], model.block, axis=0)
    blocks = max(len(photos) // model.block, 1)
    cores = os.cpu_count() or 1
    costs: dict[str, list[Cost]] = {"model": [], "decoding": [], "predict": []}
    with multiprocessing.get_context("fork").Pool(cores) as pool:
        tasks: dict[str, tuple[int, Callable[[], object]]] = {
            "model": (blocks * model.block, lambda: [model.logits(block) for _ in range(blocks)]),
            "decoding": (len(photos), lambda: pool.map(decode, photos, 64)),
            "predict": (len(photos), lambda: list(predict_photos(model, photos, top=1))),
        }
        for _ in range(given.rounds):
            for name, (count, work) in tasks.items():
                costs[name].append(cost(count, work))
    print(f"{len(photos):,} photos, {cores} cores, {model.name} {model.version}")
    clock = {name: median(each.clock for each in rounds) for name, rounds in costs.items()}
    processor = {name: median(each.processor for each in rounds) for name, rounds in costs.items()}
    for name in costs:
        print(f"{name:>8}: {1e3 / clock[name]:7,.0f} a second, {processor[name]:.2f} ms of a core")
    slower = max(clock["model"], clock["decoding"])
    together = processor["model"] + processor["decoding"]
    most = min(1.0, slower / (together / cores))
    print(
        f"predict / lesser of the two: {slower / clock['predict']:.2f}, of {most:.2f} that there "
        "can be"
    )
    print(f"of the cores beyond model and decoding: {processor['predict'] / together - 1:+.1%}")


if __name__ == "__main__":
    main()
