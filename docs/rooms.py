"""Draw the rooms of the package: what each holds, and what it imports.

Rows are the layers of the import contract in pyproject.toml: a room may import what stands in rows
below it, never the other way. Descriptions are the first lines of the docstrings, and imports are
those that the code has.

Run: python docs/rooms.py
"""

from __future__ import annotations

import ast
import textwrap
import tomllib
from collections import defaultdict
from pathlib import Path

import grimp
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from PIL import Image

PROJECT = Path(__file__).resolve().parents[1]
PACKAGE = "vlprompt_pipeline"
SOURCES = PROJECT / "src" / PACKAGE
LIBRARY, KEDRO, COMMAND = "#e3edf7", "#fdf0d5", "#e6f4e6"
LEGEND = {"command line": COMMAND, "Kedro project": KEDRO, "library": LIBRARY}
WIDTH, LINE, GAP = 10.0, 0.15, 0.1  # inches: of the picture, a line of text, between boxes
CHARACTERS = 158  # of the small text in a box as wide as the picture
MOST_IN_A_ROW = 4  # boxes; a layer with more has several rows


def layers() -> list[list[str]]:
    """Rows of rooms, the highest first, as the import contract has them."""
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    contract = next(contract for contract in contracts if contract["type"] == "layers")
    rooms = [[room.strip() for room in layer.split("|")] for layer in contract["layers"]]
    return [
        row[start : start + MOST_IN_A_ROW]
        for row in rooms
        for start in range(0, len(row), MOST_IN_A_ROW)
    ]


def imports() -> dict[str, set[str]]:
    """Find the rooms, and names of outside packages, that each room imports."""
    graph = grimp.build_graph(PACKAGE, include_external_packages=True)
    by_room: dict[str, set[str]] = defaultdict(set)
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            by_room[_room(importer)].add(_room(imported))
    return {room: names - {room, ""} for room, names in by_room.items()}


def _room(module: str) -> str:
    return module.removeprefix(PACKAGE).lstrip(".").partition(".")[0]


def description(room: str) -> str:
    """Return the first line of a room's docstring."""
    file = SOURCES / f"{room}.py"
    file = file if file.is_file() else SOURCES / room / "__init__.py"
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return docstring.splitlines()[0]


def draw(rows: list[list[str]], imported: dict[str, set[str]]) -> Figure:
    """Draw a row of boxes a layer."""
    rooms = {room for row in rows for room in row}
    order = [room for row in rows for room in row]
    texts: dict[str, list[str]] = {}
    for row in rows:
        for room in row:
            names = sorted(imported.get(room, set()) & rooms, key=order.index)
            small = [description(room), f"imports {', '.join(names)}" if names else ""]
            width = CHARACTERS // len(row)
            texts[room] = [line for text in small for line in textwrap.wrap(text, width)]
    heights = [LINE * (max(len(texts[room]) for room in row) + 2) for row in rows]
    height = sum(heights) + GAP * (len(rows) + 3)
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(0, height)
    axes.set_axis_off()
    top = height - GAP
    for column, (title, colour) in enumerate(LEGEND.items()):
        axes.add_patch(_box(GAP + 1.5 * column, top - LINE, 0.2, LINE, colour))
        axes.text(GAP + 1.5 * column + 0.28, top - LINE / 2, title, va="center", fontsize=8)
    top -= LINE + GAP
    for row, tall in zip(rows, heights, strict=True):
        wide = (WIDTH - GAP * (len(row) + 1)) / len(row)
        for column, room in enumerate(row):
            left = GAP + column * (wide + GAP)
            axes.add_patch(_box(left, top - tall, wide, tall, _colour(room, imported)))
            axes.text(left + 0.1, top - LINE, room, va="center", fontsize=9, weight="bold")
            for number, line in enumerate(texts[room], start=2):
                y = top - LINE * number
                axes.text(left + 0.1, y, line, va="center", fontsize=7, color="#424a53")
        top -= tall + GAP
    return figure


def _colour(room: str, imported: dict[str, set[str]]) -> str:
    if room == "apps":
        return COMMAND
    return KEDRO if _reaches(room, imported, {"kedro", "kedro_datasets"}) else LIBRARY


def _reaches(room: str, imported: dict[str, set[str]], wanted: set[str]) -> bool:
    names = imported.get(room, set())
    return bool(names & wanted) or any(_reaches(name, imported, wanted) for name in names)


def _box(left: float, bottom: float, width: float, height: float, colour: str) -> FancyBboxPatch:
    style = "round,pad=0,rounding_size=0.05"
    return FancyBboxPatch(
        (left, bottom), width, height, boxstyle=style, facecolor=colour, edgecolor="#8c959f"
    )


if __name__ == "__main__":
    target = PROJECT / "docs/rooms.png"
    draw(layers(), imports()).savefig(target, dpi=110)
    Image.open(target).convert("RGB").quantize(64).save(target, optimize=True)
