"""What there is to render: the demo datasets and the shifted variants of `demo_objects`."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from vlprompt_pipeline.image_datasets.rendered.composition import render
from vlprompt_pipeline.image_datasets.rendered.shifts import SHIFTS
from vlprompt_pipeline.image_datasets.rendered.tasks import TASKS, RenderedDataset
from vlprompt_pipeline.image_datasets.schema import PARTS

_OBJECTS = TASKS["demo_objects"]
_VARIANTS = [
    replace(_OBJECTS, name=f"{_OBJECTS.name}_{look}", title=f"{_OBJECTS.title}, {look}", shift=look)
    for look in SHIFTS
]
RENDERED = TASKS | {variant.name: variant for variant in _VARIANTS}
"""Every rendered dataset by name."""


def draw_class(
    dataset: RenderedDataset, part: str, label: int, count: int, seed: int
) -> Iterator[np.ndarray]:
    """Yield `count` pictures of one class, uint8 `[SIDE, SIDE, 3]`.

    Each (seed, dataset, part, class) has a random stream of its own: fewer pictures or classes
    are the first ones of more.
    """
    draw = dataset.draw[dataset.classes[label]]
    key = zlib.crc32(dataset.name.encode())
    rng = np.random.default_rng([seed, key, PARTS.index(part), label])
    for _ in range(count):
        picture = render(draw(rng), rng, dataset.gap)
        yield SHIFTS[dataset.shift](picture, rng) if dataset.shift else picture
