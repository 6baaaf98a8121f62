"""Put the names of points beside them where nothing is covered; say which do not fit.

Boxes are rows `x0, y0, x1, y1` in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.typing import NDArray

Point = tuple[float, float]
Pixels = NDArray[np.float64]

_RADII = (8.0, 15.0, 24.0, 36.0, 50.0, 66.0, 84.0)
"""Distances from a point to its label, in points."""
_DIRECTIONS = [
    np.array([np.cos(angle), np.sin(angle)])
    for angle in np.deg2rad([0, 180, *range(15, 180, 15), *range(195, 360, 15)])
]
"""Right and left first: they win a tie."""
_LEADER_FROM = 18.0
"""Distance in points from which a thin line joins label and point."""
_MARK = 11.0
"""Side in points of the square that a mark keeps free."""
_GAP = 3.0
"""Pixels between a label and the next."""
_KEEP_OFF = 7.0
"""Pixels between a label and a line it would rather not touch."""
_COVER_COST = 8.0
"""Points of distance that a label goes to spare one covered sample of the lines to avoid."""
_NEIGHBOUR_COST = 25.0
"""Points of distance that a label goes not to lie within `_NEIGHBOUR` points of another mark."""
_NEIGHBOUR = 14.0


def label_points(
    axes: Axes,
    points: Sequence[Point],
    texts: Sequence[str],
    *,
    avoid: Sequence[tuple[Point, Point]],
    ink: str,
    leader: str,
) -> list[int]:
    """Label each point at the nearest free place; give the indices of those that found none.

    A label never covers a point, another label or the edge of the axes, and its leader crosses no
    other point and no label; labels keep off the segments of `avoid` where they can. All positions
    are data coordinates. The limits and the position of the axes must be final.
    """
    scale = axes.figure.dpi / 72.0
    renderer = FigureCanvasAgg(axes.figure).get_renderer()
    frame = np.asarray(axes.get_window_extent(renderer).extents)
    centres = axes.transData.transform(np.asarray(points, dtype=float))
    thin = _samples(axes, avoid)
    boxes = np.stack([_box(centre, np.full(2, _MARK * scale)) for centre in centres])
    unplaced = []
    for index in _most_crowded_first(centres):
        note = axes.annotate(
            texts[index],
            points[index],
            xytext=(0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=9,
            color=ink,
            parse_math=False,
        )
        size = np.array([*note.get_window_extent(renderer).size])
        place = _cheapest_place(
            centres, index, size, frame=frame, boxes=boxes, thin=thin, scale=scale
        )
        if place is None:
            note.remove()
            unplaced.append(index)
            continue
        note.set_position(tuple((place - centres[index]) / scale))
        box = _box(place, size)
        boxes = np.vstack([boxes, box])
        path = _path(centres[index], box)
        if np.linalg.norm(path[-1] - path[0]) > _LEADER_FROM * scale:
            thin = np.vstack([thin, path])
            ends = axes.transData.inverted().transform(path[[0, -1]])
            axes.plot(*ends.T, color=leader, linewidth=0.6, zorder=1.5)
    return sorted(unplaced)


def _cheapest_place(
    marks: Pixels,
    own: int,
    size: Pixels,
    *,
    frame: Pixels,
    boxes: Pixels,
    thin: Pixels,
    scale: float,
) -> Pixels | None:
    """Centre of the best free place for a label of the mark `own`, or None."""
    centre, strangers = marks[own], np.delete(marks, own, axis=0)
    others = np.delete(boxes, own, axis=0)
    best, lowest = None, np.inf
    for radius, direction in product(_RADII, _DIRECTIONS):
        place = centre + direction * (radius * scale + size / 2)
        box = _box(place, size + 2 * _GAP)
        inside = np.all(box[:2] >= frame[:2]) and np.all(box[2:] <= frame[2:])
        path = _path(centre, box)
        outside = path[np.abs(path - centre).max(axis=1) > scale * _MARK / 2]
        if not inside or _overlaps(box, boxes) or _inside(outside, others).any():
            continue
        touched = np.count_nonzero(_inside(thin, _box(place, size + 2 * _KEEP_OFF)[None]))
        cost = radius + _COVER_COST * touched
        gaps = np.linalg.norm(strangers - np.clip(strangers, box[:2], box[2:]), axis=1)
        cost += _NEIGHBOUR_COST * np.count_nonzero(gaps < _NEIGHBOUR * scale)
        if cost < lowest:
            best, lowest = place, cost
    return best


def _most_crowded_first(centres: Pixels) -> list[int]:
    """The order in which the points choose: first the one with the most and nearest others."""
    gaps = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
    crowd = np.exp(-gaps / 40.0).sum(axis=1)
    return [int(index) for index in np.argsort(-crowd, kind="stable")]


def _samples(axes: Axes, segments: Sequence[tuple[Point, Point]]) -> Pixels:
    """Points along the segments, one every 6 pixels."""
    found = [np.empty((0, 2))]
    for segment in segments:
        start, end = axes.transData.transform(np.asarray(segment, dtype=float))
        steps = 2 + int(np.linalg.norm(end - start) // 6)
        found.append(np.linspace(start, end, steps))
    return np.concatenate(found)


def _box(centre: Pixels, size: Pixels) -> Pixels:
    return np.concatenate([centre - size / 2, centre + size / 2])


def _path(centre: Pixels, box: Pixels) -> Pixels:
    """Sixteen points on the straight line from a point to the nearest edge of a box."""
    return np.linspace(centre, np.clip(centre, box[:2], box[2:]), 16)


def _overlaps(box: Pixels, boxes: Pixels) -> bool:
    apart = (boxes[:, :2] > box[2:]).any(axis=1) | (boxes[:, 2:] < box[:2]).any(axis=1)
    return not apart.all()


def _inside(points: Pixels, boxes: Pixels) -> NDArray[np.bool_]:
    """`[points, boxes]`: which point lies in which box."""
    within = (points[:, None] >= boxes[None, :, :2]) & (points[:, None] <= boxes[None, :, 2:])
    return within.all(axis=-1)
