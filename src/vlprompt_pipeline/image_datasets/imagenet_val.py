"""ImageNet's validation images as their archive unpacks them, moved into a folder a class.

The archive holds 50,000 images in one folder. Files of several forms tell the class of each image,
and all of these forms are read:

- `ILSVRC2012_validation_ground_truth.txt` of the development kit: one number per line, 1 to 1000,
  in the order of the images. The kit's `meta.mat` says which WordNet id a number means, or a text
  with one WordNet id per line in the order of the numbers.
- one WordNet id per line in the order of the images (`imagenet_2012_validation_synset_labels.txt`).
- lines with an image's name and a WordNet id (Kaggle's `LOC_val_solution.csv`, `valprep.sh`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from vlprompt_pipeline.errors import DataError, reason_of
from vlprompt_pipeline.image_datasets.annotations import list_folder, read_lines

IMAGE = re.compile(r"ILSVRC2012_val_(\d{8})")
_ID = re.compile(r"\bn\d{8}\b")


def sort_validation_images(folder: Path, labels: Path, meta: Path | None = None) -> Counter[str]:
    """Move each image of `folder` into the folder of its class; return the numbers by class.

    Nothing is moved unless every image has a label. Images that are sorted already stay, so an
    interrupted run can be repeated.

    Args:
        folder: imagenet/images/val.
        labels: one of the forms above.
        meta: file with the WordNet ids of the numbers, needed for the first form.

    Raises:
        DataError: a label file of another form, or without a label for one of the images, or
            images that cannot be moved.
    """
    classes = read_validation_labels(labels, meta)
    moves = {}
    for name in list_folder(folder).files:
        match = IMAGE.match(name)
        if match is None:
            continue
        number = int(match[1])
        if number not in classes:
            raise DataError(
                f"{labels} has no label for {name} of {folder}; give the file of all 50,000 images"
            )
        moves[name] = classes[number]
    try:
        for key in set(moves.values()):
            (folder / key).mkdir(exist_ok=True)
        for name, key in moves.items():
            (folder / name).rename(folder / key / name)
    except OSError as error:
        raise DataError(
            f"cannot move images of {folder} into {error.filename2 or error.filename}: "
            f"{error.strerror}; make the folder writable and run again, which goes on there"
        ) from error
    return Counter(moves.values())


def read_validation_labels(labels: Path, meta: Path | None = None) -> dict[int, str]:
    """Read the WordNet id of each image, by the image's number, which counts from 1.

    Raises:
        DataError: the file has another form.
    """
    lines = read_lines(labels)
    pairs = [
        (int(image[1]), key[0])
        for line in lines
        if (image := IMAGE.search(line)) and (key := _ID.search(line))
    ]
    if pairs:
        return dict(pairs)
    if all(_ID.fullmatch(line) for line in lines) and lines:
        return dict(enumerate(lines, start=1))
    if all(line.isdecimal() for line in lines) and lines:
        return _numbered(labels, [int(line) for line in lines], meta)
    raise DataError(
        f"{labels} is no list of validation labels: give ILSVRC2012_validation_ground_truth.txt, "
        "a WordNet id a line in the order of the images, or lines of an image's name and its id"
    )


def _numbered(labels: Path, numbers: Sequence[int], meta: Path | None) -> dict[int, str]:
    if meta is None:
        raise DataError(
            f"{labels} holds numbers; give what they mean, too: --meta=<meta.mat of the "
            "development kit>, or a text with the WordNet ids in that order"
        )
    keys = _read_mat(meta) if meta.suffix == ".mat" else dict(enumerate(read_lines(meta), start=1))
    unknown = sorted(set(numbers) - set(keys))
    if unknown:
        raise DataError(f"{meta} does not say which class the number {unknown[0]} of {labels} is")
    return {index: keys[number] for index, number in enumerate(numbers, start=1)}


def _read_mat(meta: Path) -> dict[int, str]:
    """Return WordNet ids of the classes by their ILSVRC2012_ID.

    Inner nodes of the tree are left out.
    """
    try:
        synsets = import_module("scipy.io").loadmat(meta, squeeze_me=True)["synsets"]
        rows = [(int(row["ILSVRC2012_ID"]), str(row["WNID"])) for row in synsets]
        leaves = [int(row["num_children"]) == 0 for row in synsets]
    except Exception as error:  # scipy raises nearly anything on another or a cut file
        raise DataError(
            f"{meta} cannot be read as the development kit's meta.mat ({reason_of(error)})"
        ) from None
    return {number: key for (number, key), leaf in zip(rows, leaves, strict=True) if leaf}
