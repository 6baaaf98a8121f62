"""Photos of two classes that the embedded CLIP tells apart: squares and discs, each of its own."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw


def draw(file: Path, shape: str, number: int) -> None:
    """A red square or a blue disc; the number moves it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", (64, 64), "white")
    box = [10 + number, 12, 40 + number, 42]
    pen = ImageDraw.Draw(image)
    if shape == "square":
        pen.rectangle(box, fill=(200, number * 7 % 90, 20))
    else:
        pen.ellipse(box, fill=(20, number * 11 % 90, 200))
    image.save(file)


def write_shapes(folder: Path, count: int = 6) -> None:
    """Class folders `square` and `blue_disc`."""
    for number in range(count):
        draw(folder / "square" / f"{number}.png", "square", number)
        draw(folder / "blue_disc" / f"{number}.png", "disc", number)
