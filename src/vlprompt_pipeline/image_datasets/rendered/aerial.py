"""Scenes from above: a feature (river, runway, …) in a land (forest, desert, …)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from vlprompt_pipeline.image_datasets.rendered.palette import SIDE, SUPERSAMPLING, smooth_noise

_FRAME = SIDE * SUPERSAMPLING
_WATER = (40, 85, 135)

Rgb = tuple[int, int, int]
Point = tuple[float, float]


@dataclass(frozen=True)
class _Site:
    """A drawing with its own turned axes; lengths in supersampled pixels."""

    draw: ImageDraw.ImageDraw
    rng: np.random.Generator
    ground: Rgb
    centre: Point
    turn: float

    def at(self, along: float, across: float) -> Point:
        c, s = math.cos(self.turn), math.sin(self.turn)
        return self.centre[0] + along * c - across * s, self.centre[1] + along * s + across * c

    def block(self, left: float, top: float, width: float, height: float, fill: Rgb) -> None:
        corners = ((0, 0), (width, 0), (width, height), (0, height))
        self.draw.polygon([self.at(left + x, top + y) for x, y in corners], fill=fill)

    def band(self, width: float, fill: Rgb, upright: bool = False) -> None:
        ends = (
            [(0, -2 * _FRAME), (0, 2 * _FRAME)] if upright else [(-2 * _FRAME, 0), (2 * _FRAME, 0)]
        )
        self.draw.line([self.at(*end) for end in ends], fill=fill, width=round(width))

    def disc(self, along: float, across: float, radius: float, fill: Rgb) -> None:
        x, y = self.at(along, across)
        self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


def _road(site: _Site) -> Rgb:
    tone = int(site.rng.uniform(60, 100))
    return (tone, tone, tone)


def _river(site: _Site) -> None:
    phase, swing = site.rng.uniform(0, 6), site.rng.uniform(8, 20)
    course = [site.at(t, swing * math.sin(t / 20 + phase)) for t in np.linspace(-96, 96, 30)]
    site.draw.line(course, fill=_WATER, width=int(site.rng.uniform(9, 15)), joint="curve")


def _lake(site: _Site) -> None:
    radius = site.rng.uniform(20, 32)
    shore = [
        site.at(
            radius * site.rng.normal(1, 0.1) * math.cos(t),
            radius * site.rng.normal(1, 0.1) * math.sin(t),
        )
        for t in np.linspace(0, 2 * math.pi, 14, endpoint=False)
    ]
    site.draw.polygon(shore, fill=_WATER)


def _highway(site: _Site) -> None:
    site.band(15, _road(site))
    site.band(2, (235, 235, 220))


def _crossroads(site: _Site) -> None:
    road = _road(site)
    site.band(10, road)
    site.band(10, road, upright=True)


def _roundabout(site: _Site) -> None:
    _crossroads(site)
    radius = site.rng.uniform(20, 28)
    site.disc(0, 0, radius, _road(site))
    site.disc(0, 0, radius - 10, site.ground)


def _runway(site: _Site) -> None:
    site.band(24, _road(site))
    for i in range(-7, 8):
        site.block(i * 14, -1.5, 7, 3, (245, 245, 245))


def _parking_lot(site: _Site) -> None:
    site.block(-34, -26, 68, 52, (118, 118, 120))
    paint = [(225, 225, 230), (30, 30, 35), (190, 40, 40), (50, 80, 170)]
    for row in range(3):
        for column in range(8):
            if site.rng.random() < 0.75:
                fill = paint[site.rng.integers(4)]
                site.block(-31 + 8 * column, -23 + 18 * row, 5, 9, fill)


def _houses(site: _Site) -> None:
    roofs = [(170, 80, 60), (150, 95, 80), (200, 190, 180), (140, 60, 50)]
    for row in range(-2, 3):
        for column in range(-2, 3):
            if site.rng.random() < 0.8:
                x, y = 18 * column + site.rng.normal(0, 1.5), 18 * row + site.rng.normal(0, 1.5)
                site.block(x, y, 10, 8, roofs[site.rng.integers(4)])


def _storage_tanks(site: _Site) -> None:
    for row in (-1, 0, 1):
        for column in (-1, 0, 1):
            if site.rng.random() < 0.8:
                radius = site.rng.uniform(9, 12)
                site.disc(29 * column, 29 * row, radius + 1.5, (80, 80, 80))
                site.disc(29 * column, 29 * row, radius, (225, 225, 225))


def _solar_farm(site: _Site) -> None:
    pitch = site.rng.uniform(10, 13)
    for row in range(-3, 4):
        site.block(-32, row * pitch, 64, 0.6 * pitch, (25, 35, 85))


_DRAW: dict[str, Callable[[_Site], None]] = {
    "river": _river,
    "lake": _lake,
    "highway": _highway,
    "crossroads": _crossroads,
    "runway": _runway,
    "parking lot": _parking_lot,
    "village": _houses,
    "oil depot": _storage_tanks,
    "solar farm": _solar_farm,
    "roundabout": _roundabout,
}
FEATURES = tuple(_DRAW)

_GROUND: dict[str, Rgb] = {
    "meadow": (120, 150, 75),
    "forest": (38, 82, 42),
    "desert": (205, 172, 118),
    "snow field": (232, 236, 240),
    "farm land": (150, 135, 80),
    "swamp": (88, 98, 72),
}
LANDS = tuple(_GROUND)


def _cover(site: _Site, land: str) -> None:
    """Draw what grows or lies on the land, before the feature."""
    draw, rng = site.draw, site.rng
    if land == "forest":
        for x, y in rng.uniform(0, _FRAME, (90, 2)):
            radius, green = rng.uniform(2.5, 5.5), int(rng.uniform(55, 125))
            box = (x - radius, y - radius, x + radius, y + radius)
            draw.ellipse(box, fill=(int(green * 0.35), green, int(green * 0.4)))
    elif land == "farm land":
        crops = [(150, 170, 70), (200, 185, 90), (90, 140, 60), (165, 130, 80), (120, 160, 60)]
        for row in range(-4, 4):
            for column in range(-4, 4):
                site.block(20 * column, 20 * row, 19, 19, crops[rng.integers(5)])
    elif land == "desert":
        phase = rng.uniform(0, 6)
        for row in range(-6, 7):
            dune = [site.at(t, 13 * row + 4 * math.sin(t / 13 + phase)) for t in range(-96, 97, 8)]
            draw.line(dune, fill=(172, 136, 86), width=2)
    elif land == "swamp":
        for x, y in rng.uniform(0, _FRAME, (22, 2)):
            wide, high = rng.uniform(4, 10), rng.uniform(2, 5)
            draw.ellipse((x - wide, y - high, x + wide, y + high), fill=(52, 80, 90))


def draw_aerial(feature: str, land: str, rng: np.random.Generator, gap: float) -> np.ndarray:
    """Return the scene from above: float32 `[SIDE, SIDE, 3]` in 0..255, with ground noise."""
    shift = rng.normal(0, 8 + 14 * gap, 3)
    ground: Rgb = tuple(int(v) for v in np.clip(np.asarray(_GROUND[land]) + shift, 0, 255))
    image = Image.new("RGB", (_FRAME, _FRAME), ground)
    draw = ImageDraw.Draw(image)
    _cover(_Site(draw, rng, ground, (_FRAME / 2, _FRAME / 2), rng.uniform(0, math.pi)), land)
    wander = 6 + 12 * gap
    centre = (_FRAME / 2 + rng.normal(0, wander), _FRAME / 2 + rng.normal(0, wander))
    _DRAW[feature](_Site(draw, rng, ground, centre, rng.uniform(0, math.pi)))
    picture = np.asarray(image.reduce(SUPERSAMPLING), np.float32)
    return picture + smooth_noise(rng, 12, 6 + 18 * gap)[..., None] + 20 * gap * rng.normal()
