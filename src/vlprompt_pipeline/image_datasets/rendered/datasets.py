"""What there is to render: the demo datasets and the shifted variants of `demo_objects`."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from vlprompt_pipeline.image_datasets.rendered.composition import render
from vlprompt_pipeline.image_datasets.rendered.shifts import SHIFTS
from vlprompt_pipeline.image_datasets.rendered.tasks import TASKS
from vlprompt_pipeline.image_datasets.schema import PARTS

_SHIFTED = "demo_objects"
_TRAIN, _VAL, _MIN_TEST = 32, 8, 1_000  # a class; a class; in all


@dataclass(frozen=True)
class RenderedDataset:
    """A dataset that is drawn, not downloaded.

    Attributes:
        name: its key, `demo_…`.
        title: for people.
        template: prompt with one `{}` for the class name.
        classes: names in label order, a seeded random permutation.
        shift_of: the dataset whose classes it shows in another look (test pictures only), or None.
        images: pictures per class of each part (`train`, `val`, `test`).
    """

    name: str
    title: str
    template: str
    classes: tuple[str, ...]
    shift_of: str | None
    images: Mapping[str, int]


def _dataset(name: str) -> RenderedDataset:
    task = TASKS[name]
    classes = tuple(task.draw)
    images = {"train": _TRAIN, "val": _VAL, "test": -(-_MIN_TEST // len(classes))}
    return RenderedDataset(name, task.title, task.template, classes, None, images)


def _variant(shift: str) -> RenderedDataset:
    original = _dataset(_SHIFTED)
    return replace(
        original,
        name=f"{_SHIFTED}_{shift}",
        title=f"{original.title}, {shift}",
        shift_of=_SHIFTED,
        images={"train": 0, "val": 0, "test": original.images["test"]},
    )


RENDERED: dict[str, RenderedDataset] = {
    dataset.name: dataset for dataset in [*map(_dataset, TASKS), *map(_variant, SHIFTS)]
}
"""Every rendered dataset by name."""


def draw_class(
    dataset: RenderedDataset, part: str, label: int, count: int, seed: int
) -> Iterator[np.ndarray]:
    """Yield `count` pictures of one class, uint8 `[SIDE, SIDE, 3]`.

    Each (seed, dataset, part, class) has a random stream of its own: fewer pictures or classes
    are the first ones of more.
    """
    task = TASKS[dataset.shift_of or dataset.name]
    draw = task.draw[dataset.classes[label]]
    key = zlib.crc32(dataset.name.encode())
    rng = np.random.default_rng([seed, key, PARTS.index(part), label])
    shift = SHIFTS[dataset.name.removeprefix(f"{_SHIFTED}_")] if dataset.shift_of else None
    for _ in range(count):
        picture = render(draw(rng), rng, task.gap)
        yield shift(picture, rng) if shift else picture
