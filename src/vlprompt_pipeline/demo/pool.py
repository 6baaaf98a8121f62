"""The pictures of pre-training, rendered once and kept in memory."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from vlprompt_pipeline.demo.streams import POOL, stream
from vlprompt_pipeline.image_datasets.rendered.composition import render
from vlprompt_pipeline.image_datasets.rendered.palette import SIDE
from vlprompt_pipeline.image_datasets.rendered.sampling import sample_scene
from vlprompt_pipeline.image_datasets.rendered.scenes import KINDS, Scene

logger = logging.getLogger(__name__)
_REPORT_EVERY = 20_000


@dataclass(frozen=True)
class Pool:
    """Pictures `[n, SIDE, SIDE, 3]` uint8 and the scene of each."""

    pictures: np.ndarray
    scenes: tuple[Scene, ...]

    def by_kind(self) -> list[np.ndarray]:
        """Return the indices of the pictures of each kind of scene that occurs."""
        kinds = np.array([KINDS.index(type(scene)) for scene in self.scenes])
        groups = [np.flatnonzero(kinds == kind) for kind in range(len(KINDS))]
        return [group for group in groups if len(group)]


def render_pool(size: int, seed: int, gap: float) -> Pool:
    """Render `size` random scenes, none a held-out composition; same seed, same bytes.

    Args:
        size: number of pictures.
        seed: of scenes and pixels.
        gap: each picture's domain gap is uniform in 0..`gap`.
    """
    rng = stream(seed, POOL)
    pictures = np.empty((size, SIDE, SIDE, 3), np.uint8)
    scenes: list[Scene] = []
    for i in range(size):
        scene = sample_scene(rng)
        pictures[i] = render(scene, rng, gap * rng.random())
        scenes.append(scene)
        if (i + 1) % _REPORT_EVERY == 0:
            logger.info("rendered %d of %d pictures", i + 1, size)
    return Pool(pictures, tuple(scenes))
