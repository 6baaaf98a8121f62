"""The 14 surface patterns: soft masks over the whole frame."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from vlprompt_pipeline.image_datasets.rendered.palette import COLUMNS, ROWS, SIDE, smooth_noise

SCALES = {"fine": (4.0, 5.6), "coarse": (10.0, 14.0)}  # period in pixels


@dataclass(frozen=True)
class _Grid:
    """Turned and shifted coordinates, in periods; `[SIDE, SIDE]` each."""

    u: np.ndarray
    v: np.ndarray
    period: float
    rng: np.random.Generator

    def soft(self, level: np.ndarray) -> np.ndarray:
        """Return a signed level (in periods) as coverage 0..1 with an edge about a pixel wide."""
        return np.clip(level * self.period * 0.8 + 0.5, 0, 1)

    def radius_and_turn(self, wander: float) -> tuple[np.ndarray, np.ndarray]:
        """Return polar coordinates about a centre that wanders by `wander` pixels."""
        x, y = self.rng.normal(0, wander, 2)
        across, down = COLUMNS - SIDE / 2 + x, ROWS - SIDE / 2 + y
        return np.hypot(across, down), np.arctan2(down, across)


def _wave(t: np.ndarray) -> np.ndarray:
    return np.abs((t % 1) - 0.5) * 2  # triangle wave 1..0..1 of period 1


def _speckled(g: _Grid) -> np.ndarray:
    cells = max(4, int(SIDE / g.period * 1.6))
    grains = Image.fromarray((g.rng.random((cells, cells)) < 0.28).astype(np.uint8) * 255)
    return np.asarray(grains.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32) / 255


def _bricked(g: _Grid) -> np.ndarray:
    shifted = g.u * 0.5 + 0.5 * (np.floor(g.v) % 2)
    return g.soft(0.84 - np.maximum(_wave(g.v), _wave(shifted) * 0.98))


def _radial(g: _Grid) -> np.ndarray:
    _, turn = g.radius_and_turn(4)
    rays = max(3, round(44 / g.period))
    phase = g.rng.random()
    return np.clip((_wave(turn / (2 * math.pi) * rays + phase) - 0.5) * 4 + 0.5, 0, 1)


def _scaly(g: _Grid) -> np.ndarray:
    rows = g.v * 2
    shifted = g.u + 0.5 * (np.floor(rows) % 2)
    return g.soft(0.13 - np.abs(np.hypot((shifted % 1) - 0.5, (rows % 1) * 0.5) - 0.42))


_DRAW: dict[str, Callable[[_Grid], np.ndarray]] = {
    "striped": lambda g: g.soft(_wave(g.v) - 0.5),
    "dotted": lambda g: g.soft(0.34 - np.hypot((g.u % 1) - 0.5, (g.v % 1) - 0.5)),
    "checkered": lambda g: g.soft((_wave(g.u * 0.5) - 0.5) * (_wave(g.v * 0.5) - 0.5) * 3),
    "zigzag": lambda g: g.soft(_wave(g.v + 0.7 * _wave(g.u * 0.5)) - 0.5),
    "wavy": lambda g: g.soft(_wave(g.v + 0.35 * np.sin(2 * math.pi * g.u * 0.45)) - 0.5),
    "grid": lambda g: g.soft(np.maximum(_wave(g.u), _wave(g.v)) - 0.76),
    "speckled": _speckled,
    "bricked": _bricked,
    "ringed": lambda g: g.soft(_wave(g.radius_and_turn(5)[0] / g.period) - 0.5),
    "radial": _radial,
    "diagonal": lambda g: g.soft(_wave(g.v) - 0.5),  # bands as striped, turned by 45 degrees
    "crosshatched": lambda g: g.soft(
        np.maximum(_wave((g.u + g.v) * 0.75), _wave((g.u - g.v) * 0.75)) - 0.76
    ),
    "marbled": lambda g: g.soft((_wave(g.v * 0.7 + smooth_noise(g.rng, 5, 0.45)) - 0.5) * 0.8),
    "scaly": _scaly,
}
PATTERNS = tuple(_DRAW)


def pattern_mask(name: str, rng: np.random.Generator, period: float, gap: float) -> np.ndarray:
    """Return coverage of the pattern's first colour: `[SIDE, SIDE]` in 0..1; `period` in pixels."""
    turn = rng.normal(0, 0.10 + 0.25 * gap)
    if name == "diagonal":
        turn += math.pi / 4 if rng.random() < 0.5 else -math.pi / 4
    if name == "striped" and rng.random() < 0.5:
        turn += math.pi / 2
    x, y = rng.uniform(0, period, 2)
    u = (COLUMNS * math.cos(turn) - ROWS * math.sin(turn) + x) / period
    v = (COLUMNS * math.sin(turn) + ROWS * math.cos(turn) + y) / period
    return _DRAW[name](_Grid(u, v, period, rng))
