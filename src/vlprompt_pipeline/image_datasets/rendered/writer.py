"""Renders a dataset into a folder, as a whole or not at all."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.files import unfinished_prefix
from vlprompt_pipeline.image_datasets.checksums import first_changed, write_checksums
from vlprompt_pipeline.image_datasets.rendered.datasets import (
    PARTS,
    RENDERED,
    RenderedDataset,
    draw_class,
)
from vlprompt_pipeline.image_datasets.rendered.tasks import TASKS
from vlprompt_pipeline.source_code import code_digest

logger = logging.getLogger(__name__)

_SPLIT, _RECIPE = "split.json", "recipe.json"

Progress = Callable[[int, int], None]
"""Called with (pictures done, pictures in all)."""


def render_dataset(
    name: str,
    root: Path,
    seed: int = 0,
    progress: Progress | None = None,
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
        progress: told how far it is, class by class.
        images_per_class: pictures per class of some parts, instead of the dataset's own numbers.
        first_classes: only the first so many labels (for miniatures).

    Returns:
        The dataset's folder.

    Raises:
        DataError: no such dataset, or the folder cannot be written.
    """
    dataset = _known(name)
    counts = {**dataset.images, **(images_per_class or {})}
    labels = range(len(dataset.classes))[:first_classes]
    recipe = {
        "name": name,
        "code": code_digest(__name__),
        "seed": seed,
        "gap": TASKS[dataset.shift_of or name].gap,
        "images_per_class": counts,
        "classes": [dataset.classes[label] for label in labels],
    }
    target = Path(root) / name
    if _is_finished(target, recipe):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=unfinished_prefix(name), dir=target.parent
        ) as scratch:
            built = Path(scratch) / "new"
            _write(dataset, built, recipe, progress)
            _put_in_place(built, target, Path(scratch) / "old", recipe)
    except OSError as error:
        raise DataError(
            f"cannot render {name} into {target}: {error.strerror or error}; make the folder "
            "writable or choose another one for the data"
        ) from error
    return target


def _known(name: str) -> RenderedDataset:
    if name not in RENDERED:
        raise DataError(f"no rendered dataset {name!r}; there are {', '.join(RENDERED)}")
    return RENDERED[name]


def _is_finished(folder: Path, recipe: dict) -> bool:
    """Tell whether `folder` holds this very recipe, and all files as they were drawn."""
    try:
        if json.loads((folder / _RECIPE).read_text(encoding="utf-8")) != recipe:
            return False
    except (OSError, ValueError):
        return False
    changed = first_changed(folder)
    if changed:
        logger.warning("%s was changed: the pictures are drawn again", folder / changed)
    return changed is None


def _write(dataset: RenderedDataset, folder: Path, recipe: dict, progress: Progress | None) -> None:
    counts, classes = recipe["images_per_class"], recipe["classes"]
    total, done = sum(counts.values()) * len(classes), 0
    split: dict[str, list[tuple[str, int, str]]] = {part: [] for part in PARTS}
    for part in PARTS:
        for label, class_name in enumerate(classes):
            inside = Path("images") / part / class_name.replace(" ", "_")
            (folder / inside).mkdir(parents=True)
            pictures = draw_class(dataset, part, label, counts[part], recipe["seed"])
            for number, picture in enumerate(pictures):
                path = inside / f"{number:03d}.png"
                Image.fromarray(picture).save(folder / path, compress_level=1)
                split[part].append((path.as_posix(), label, class_name))
            done += counts[part]
            if progress:
                progress(done, total)
    text = json.dumps(split, indent=0).encode()
    (folder / _SPLIT).write_bytes(text)
    (folder / _RECIPE).write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")
    write_checksums(folder)


def _put_in_place(built: Path, target: Path, old: Path, recipe: dict) -> None:
    """Move the finished folder to its name; another recipe's pictures there give way."""
    if target.exists():
        target.rename(old)
    try:
        built.rename(target)
    except OSError:
        if not _is_finished(target, recipe):  # else another process was faster with the same
            raise
