"""Outlines of the 42 shapes, as polygons in a box from -1 to 1 with y pointing down."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np

Point = tuple[float, float]
Part = tuple[bool, list[Point]]  # (True: fill, False: cut out; polygon), applied in order


def _polygon(sides: int, start: float = -pi / 2) -> list[Point]:
    turns = [start + 2 * pi * i / sides for i in range(sides)]
    return [(cos(t), sin(t)) for t in turns]


def _disc(radius: float, x: float = 0, y: float = 0, squash: float = 1) -> list[Point]:
    turns = [2 * pi * i / 28 for i in range(28)]
    return [(x + radius * cos(t), y + squash * radius * sin(t)) for t in turns]


def _dome(height: float, lift: float) -> list[Point]:
    return [(cos(t), height * sin(t) + lift) for t in np.linspace(-pi, 0, 18)]


def _star(points: int, inner: float) -> list[Point]:
    radii = [1.0 if i % 2 == 0 else inner for i in range(2 * points)]
    return [
        (r * cos(-pi / 2 + pi * i / points), r * sin(-pi / 2 + pi * i / points))
        for i, r in enumerate(radii)
    ]


def _box(left: float, top: float, right: float, bottom: float) -> list[Point]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _heart() -> list[Point]:
    turns = np.linspace(0, 2 * pi, 32, endpoint=False)
    return [
        (sin(t) ** 3, -(13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t)) / 16)
        for t in turns
    ]


def _spiral() -> list[Point]:
    turns = np.linspace(0.6, 4.6 * pi, 46)
    middle = turns / turns[-1] - 0.09
    outer = [((r + 0.09) * cos(t), (r + 0.09) * sin(t)) for r, t in zip(middle, turns, strict=True)]
    inner = [((r - 0.10) * cos(t), (r - 0.10) * sin(t)) for r, t in zip(middle, turns, strict=True)]
    return outer + inner[::-1]


def _gear() -> list[Point]:
    teeth = [(-0.28, 0.72), (-0.2, 1.0), (0.2, 1.0), (0.28, 0.72)]
    turns = [(2 * pi * i / 8 + shift, radius) for i in range(8) for shift, radius in teeth]
    return [(radius * cos(t), radius * sin(t)) for t, radius in turns]


def _fill(*polygons: list[Point]) -> list[Part]:
    return [(True, polygon) for polygon in polygons]


def _cut(polygon: list[Point]) -> list[Part]:
    return [(False, polygon)]


_PETALS = [_disc(0.42, 0.55 * cos(2 * pi * i / 5), 0.55 * sin(2 * pi * i / 5)) for i in range(5)]
_RUNGS = [_box(-0.5, y - 0.1, 0.5, y + 0.1) for y in (-0.65, -0.2, 0.25, 0.7)]

OUTLINES: dict[str, list[Part]] = {
    "circle": _fill(_disc(0.95)),
    "square": _fill(_box(-0.82, -0.82, 0.82, 0.82)),
    "triangle": _fill([(0, -0.95), (0.95, 0.75), (-0.95, 0.75)]),
    "right triangle": _fill([(-0.85, -0.9), (0.9, 0.85), (-0.85, 0.85)]),
    "rectangle": _fill(_box(-1, -0.5, 1, 0.5)),
    "oval": _fill(_disc(1, squash=0.58)),
    "diamond": _fill([(0, -1), (0.68, 0), (0, 1), (-0.68, 0)]),
    "pentagon": _fill(_polygon(5)),
    "hexagon": _fill(_polygon(6, start=0)),
    "trapezoid": _fill([(-0.5, -0.65), (0.5, -0.65), (1, 0.65), (-1, 0.65)]),
    "half circle": _fill(_dome(1, 0.45)),
    "ring": _fill(_disc(1)) + _cut(_disc(0.55)),
    "crescent moon": _fill(_disc(0.98)) + _cut(_disc(0.85, 0.45, -0.1)),
    "five pointed star": _fill(_star(5, 0.45)),
    "four pointed star": _fill(_star(4, 0.32)),
    "sun": _fill(_star(12, 0.62)),
    "heart": _fill(_heart()),
    "plus sign": _fill(_box(-0.3, -0.95, 0.3, 0.95), _box(-0.95, -0.3, 0.95, 0.3)),
    "arrow": _fill(
        [(-1, -0.24), (0.15, -0.24), (0.15, -0.68), (1, 0), (0.15, 0.68), (0.15, 0.24), (-1, 0.24)]
    ),
    "double arrow": _fill(
        [
            (-1, 0),
            (-0.4, -0.62),
            (-0.4, -0.22),
            (0.4, -0.22),
            (0.4, -0.62),
            (1, 0),
            (0.4, 0.62),
            (0.4, 0.22),
            (-0.4, 0.22),
            (-0.4, 0.62),
        ]
    ),
    "flower": _fill(*_PETALS) + _cut(_disc(0.22)),
    "gear wheel": _fill(_gear()) + _cut(_disc(0.32)),
    "cloud": _fill(
        _disc(0.45, -0.5, 0.15),
        _disc(0.55, 0, -0.12),
        _disc(0.42, 0.52, 0.15),
        _box(-0.5, 0.1, 0.52, 0.58),
    ),
    "rain drop": _fill(_disc(0.6, 0, 0.35), [(0, -1), (0.56, 0.15), (-0.56, 0.15)]),
    "lightning bolt": _fill(
        [(0.2, -1), (-0.6, 0.15), (-0.05, 0.15), (-0.25, 1), (0.6, -0.25), (0.05, -0.25), (0.5, -1)]
    ),
    "house": _fill([(0, -0.95), (1, -0.1), (-1, -0.1)], _box(-0.72, -0.1, 0.72, 0.9))
    + _cut(_box(-0.18, 0.35, 0.18, 0.9)),
    "pine tree": _fill(
        [(0, -1), (0.5, -0.3), (-0.5, -0.3)],
        [(0, -0.6), (0.65, 0.2), (-0.65, 0.2)],
        [(0, -0.15), (0.8, 0.65), (-0.8, 0.65)],
        _box(-0.14, 0.6, 0.14, 1),
    ),
    "fish": _fill(_disc(0.7, -0.2, 0, squash=0.6), [(0.3, 0), (1, -0.55), (1, 0.55)])
    + _cut(_disc(0.1, -0.55, -0.1)),
    "key": _fill(_disc(0.42, -0.58, 0))
    + _cut(_disc(0.2, -0.58, 0))
    + _fill(_box(-0.25, -0.12, 1, 0.12), _box(0.5, 0.1, 0.66, 0.45), _box(0.8, 0.1, 0.96, 0.5)),
    "mug": _fill(_disc(0.45, 0.5, 0))
    + _cut(_disc(0.25, 0.56, 0))
    + _fill(_box(-0.75, -0.75, 0.36, 0.8)),
    "kite": _fill(
        [(0, -1), (0.62, -0.25), (0, 0.65), (-0.62, -0.25)], [(0, 0.6), (0.2, 1), (-0.2, 1)]
    ),
    "crown": _fill(
        [
            (-0.95, 0.7),
            (-0.95, -0.6),
            (-0.45, 0.05),
            (0, -0.8),
            (0.45, 0.05),
            (0.95, -0.6),
            (0.95, 0.7),
        ]
    ),
    "bell": _fill(
        _disc(0.58, 0, -0.3),
        [(-0.58, -0.3), (0.58, -0.3), (0.9, 0.6), (-0.9, 0.6)],
        _disc(0.2, 0, 0.75),
    ),
    "mushroom": _fill(_dome(0.95, 0.05), _box(-0.27, 0, 0.27, 0.9)),
    "umbrella": _fill(
        _dome(0.9, 0),
        _box(-0.07, -0.05, 0.07, 0.9),
        _box(-0.35, 0.75, 0.07, 0.9),
        _box(-0.35, 0.55, -0.22, 0.9),
    ),
    "sail boat": _fill(
        [(-0.9, 0.4), (0.9, 0.4), (0.5, 0.85), (-0.5, 0.85)],
        [(-0.05, -1), (-0.05, 0.3), (-0.75, 0.3)],
        [(0.08, -0.75), (0.75, 0.3), (0.08, 0.3)],
    ),
    "car": _fill(
        _box(-1, -0.1, 1, 0.4),
        [(-0.6, -0.1), (-0.35, -0.6), (0.4, -0.6), (0.7, -0.1)],
        _disc(0.27, -0.52, 0.45),
        _disc(0.27, 0.52, 0.45),
    ),
    "bottle": _fill(
        _box(-0.2, -1, 0.2, -0.3),
        _box(-0.45, -0.2, 0.45, 1),
        [(-0.2, -0.45), (0.2, -0.45), (0.45, -0.15), (-0.45, -0.15)],
    ),
    "hourglass": _fill(
        [(-0.75, -0.95), (0.75, -0.95), (0, 0.05)], [(-0.75, 0.95), (0.75, 0.95), (0, -0.05)]
    ),
    "ladder": _fill(_box(-0.6, -1, -0.38, 1), _box(0.38, -1, 0.6, 1), *_RUNGS),
    "spiral": _fill(_spiral()),
    "butterfly": _fill(
        _disc(0.48, -0.5, -0.4),
        _disc(0.48, 0.5, -0.4),
        _disc(0.36, -0.42, 0.45),
        _disc(0.36, 0.42, 0.45),
        _box(-0.1, -0.7, 0.1, 0.8),
    ),
}
