"""Shapes in a picture: posed, drawn and turned into masks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import cos, sin

import numpy as np
from PIL import Image, ImageDraw

from vlprompt_pipeline.image_datasets.rendered.outlines import OUTLINES, Point
from vlprompt_pipeline.image_datasets.rendered.palette import SIDE, SUPERSAMPLING

SHAPES = tuple(OUTLINES)


@dataclass(frozen=True)
class Pose:
    """Where and how a shape lies: centre and radius in pixels, rotation in radians."""

    x: float
    y: float
    radius: float
    rotation: float = 0.0
    shear: float = 0.0
    aspect: float = 1.0
    perspective: float = 0.0

    def place(self, point: Point) -> Point:
        """Convert unit-box coordinates to pixels."""
        across = point[0] * self.aspect + self.shear * point[1]
        turn_x = across * cos(self.rotation) - point[1] * sin(self.rotation)
        turn_y = across * sin(self.rotation) + point[1] * cos(self.rotation)
        depth = 1 + self.perspective * turn_y
        return self.x + self.radius * turn_x / depth, self.y + self.radius * turn_y / depth


_RADII = {"small": (8, 11), "large": (18, 22), "": (12, 19)}


def sample_pose(rng: np.random.Generator, size: str, gap: float) -> Pose:
    """Draw a pose for an object of `size` (`small`, `large` or empty), freer as `gap` grows."""
    radius = rng.uniform(*_RADII[size])
    slack = max(1.0, SIDE / 2 - radius - 1) * 0.8
    x, y = SIDE / 2 + rng.uniform(-slack, slack, 2)
    return Pose(
        x=x,
        y=y,
        radius=radius,
        rotation=rng.normal(0, 0.12 + 0.35 * gap),
        shear=rng.normal(0, 0.05 + 0.18 * gap),
        aspect=math.exp(rng.normal(0, 0.06 + 0.12 * gap)),
        perspective=rng.normal(0, 0.04 + 0.12 * gap),
    )


def shape_mask(name: str, pose: Pose) -> np.ndarray:
    """Return coverage of the named shape: float32 `[SIDE, SIDE]` in 0..1."""
    image = Image.new("L", (SIDE * SUPERSAMPLING, SIDE * SUPERSAMPLING), 0)
    draw = ImageDraw.Draw(image)
    for filled, outline in OUTLINES[name]:
        placed = [pose.place(point) for point in outline]
        pixels = [(x * SUPERSAMPLING, y * SUPERSAMPLING) for x, y in placed]
        draw.polygon(pixels, fill=255 if filled else 0)
    return np.asarray(image.reduce(SUPERSAMPLING), np.float32) / 255
