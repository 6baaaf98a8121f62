"""Renders a dataset into a folder, as a whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets.made_folder import make_folder
from vlprompt_pipeline.image_datasets.rendered.datasets import RENDERED, draw_class
from vlprompt_pipeline.image_datasets.rendered.tasks import RenderedDataset
from vlprompt_pipeline.image_datasets.schema import PARTS
from vlprompt_pipeline.source_code import code_digest


def render_dataset(
    name: str,
    root: Path,
    seed: int = 0,
    *,
    images_per_class: Mapping[str, int] | None = None,
    first_classes: int | None = None,
) -> Path:
    """Render a demo dataset to `<root>/<name>` unless the same one is there already.

    Writes `images/<part>/<class>/<number>.png`, `split.json` in the split schema of the benchmarks
    (`{"train": [[path, label, class name], …], …}`, paths relative to the dataset's folder) and
    `recipe.json`, and the hashes of all these. A folder that was drawn by other code, or in which
    a file was changed, is drawn again. The same seed gives the same bytes on one set of library
    versions.

    Args:
        name: a key of `RENDERED`.
        root: folder of datasets.
        seed: of every picture.
        images_per_class: pictures per class of some parts, instead of the dataset's own numbers.
        first_classes: only the first so many labels (for miniatures).

    Returns:
        The dataset's folder.

    Raises:
        DataError: no such dataset, something else lies there, or the folder cannot be written.
    """
    if name not in RENDERED:
        raise DataError(f"no rendered dataset {name!r}; there are {', '.join(RENDERED)}")
    dataset = RENDERED[name]
    counts = {**dataset.images, **(images_per_class or {})}
    labels = range(len(dataset.classes))[:first_classes]
    recipe = {
        "name": name,
        "code": code_digest(__name__),
        "seed": seed,
        "gap": dataset.gap,
        "images_per_class": counts,
        "classes": [dataset.classes[label] for label in labels],
    }
    target = Path(root) / name
    make_folder(target, recipe, "recipe.json", partial(_write, dataset, recipe))
    return target


def _write(dataset: RenderedDataset, recipe: dict[str, Any], folder: Path) -> None:
    split: dict[str, list[tuple[str, int, str]]] = {part: [] for part in PARTS}
    for part in PARTS:
        count = recipe["images_per_class"][part]
        for label, class_name in enumerate(recipe["classes"]):
            inside = Path("images") / part / class_name.replace(" ", "_")
            (folder / inside).mkdir(parents=True)
            pictures = draw_class(dataset, part, label, count, recipe["seed"])
            for number, picture in enumerate(pictures):
                path = inside / f"{number:03d}.png"
                Image.fromarray(picture).save(folder / path, compress_level=1)
                split[part].append((path.as_posix(), label, class_name))
    (folder / "split.json").write_bytes(json.dumps(split, indent=0).encode())
