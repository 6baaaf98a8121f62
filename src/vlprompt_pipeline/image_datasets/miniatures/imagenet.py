"""The four classes that the miniatures of ImageNet and its variants share, two with one name."""

from __future__ import annotations

from pathlib import Path

from vlprompt_pipeline.image_datasets.miniatures.form import AnnotationWriter, PartRows, write_lines

GOLDFISH, MISSILE, MISSILE_TOO, WALLET = "n01443537", "n03773504", "n04008634", "n04548362"
IMAGENET_CLASSES = {
    GOLDFISH: "goldfish",
    MISSILE: "missile",
    MISSILE_TOO: "missile",
    WALLET: "wallet",
}
"""WordNet id to class name."""


def write_imagenet_classes(folder: Path, rows: PartRows) -> None:
    """Write `classnames.txt`: WordNet ids and class names."""
    write_lines(
        folder / "classnames.txt", [f"{key} {name}" for key, name in IMAGENET_CLASSES.items()]
    )


def imagenet_classes_and_read_me(images: str) -> AnnotationWriter:
    """Make a writer that also puts a file beside the class folders, which is no class."""

    def write(folder: Path, rows: PartRows) -> None:
        write_imagenet_classes(folder, rows)
        write_lines(folder / images / "README.txt", ["about the images"])

    return write
