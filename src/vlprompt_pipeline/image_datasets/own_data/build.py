"""From own photos to their index."""

from __future__ import annotations

import logging
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.filesystem.home import at_home
from vlprompt_pipeline.image_datasets.findings import Findings
from vlprompt_pipeline.image_datasets.fingerprints import fingerprint_readable
from vlprompt_pipeline.image_datasets.index import ImageIndex, index_split
from vlprompt_pipeline.image_datasets.own_data.class_names import name_classes
from vlprompt_pipeline.image_datasets.own_data.folders import gather_folder
from vlprompt_pipeline.image_datasets.own_data.gathered import (
    Gathered,
    Photo,
    require_one_row_each,
)
from vlprompt_pipeline.image_datasets.own_data.kept_split import KeptSplit
from vlprompt_pipeline.image_datasets.own_data.location import locate_own_data
from vlprompt_pipeline.image_datasets.own_data.tables import gather_table
from vlprompt_pipeline.image_datasets.random_split import RandomSplit
from vlprompt_pipeline.image_datasets.schema import PARTS
from vlprompt_pipeline.image_datasets.split import Row, Split, require_plain_names

logger = logging.getLogger(__name__)

CHANGED = ", changed since"
"""End of the mark of a split that its seed alone does not give, since photos came or went."""


@dataclass(frozen=True)
class OwnData:
    """How own photos are read.

    Attributes:
        template: text of the zero-shot prompt, with `{}` for the class name.
        class_names: a file that maps folders to class names, relative to the dataset root.
        split: the split where the data has no test part.
    """

    template: str = "a photo of a {}."
    class_names: str | None = None
    split: RandomSplit = field(default_factory=RandomSplit)


def build_own_index(
    name: str,
    dataset_root: Path | str,
    options: OwnData,
    *,
    resplit: bool = False,
    kept_splits: Path | None = None,
    left_out: Sequence[tuple[str, str]] = (),
    fingerprints: Mapping[str, str] | None = None,
) -> ImageIndex:
    """Index own photos: `<root>/<name>/`, `<root>/<name>.csv` or `<root>/<name>.parquet`.

    Labels follow the ASCII order of the class folders (or labels of the table). Data with a test
    part keeps its parts; no val part is taken from train, because few-shot sets can do without.
    Data without a test part is split at random, but keeps a val part that it has (our choices).

    Args:
        name: name of the folder or table.
        dataset_root: the folder that holds it.
        options: template, class names and split.
        resplit: split at random even if the data has a test part.
        kept_splits: folder of splits that were drawn before, to be extended; None: draw anew.
        left_out: (path, reason) of images to leave out, as `inspect_images` finds them.
        fingerprints: of the images by path, if they are known already; None: the images are read.

    Raises:
        ConfigError: there is no own data of that name.
        DataError: it is in none of the known layouts, or some of its files are absent.
    """
    root = at_home(dataset_root).resolve()
    gathered = gather_own_data(name, root)
    require_one_row_each(gathered)
    _leave_out(gathered, left_out)
    _require_usable(gathered, left_out)
    names = _class_names(gathered, root, options.class_names)
    if fingerprints is None:  # photos that cannot be read are left to `index_split`
        paths = [photo.path for photo in gathered.photos]
        fingerprints, _ = fingerprint_readable(paths, gathered.folder)
    kept = KeptSplit.load(kept_splits, name, options.split) if kept_splits else None
    photos, mark = _divide(gathered, options.split, resplit, kept, fingerprints)
    labels = {key: label for label, key in enumerate(gathered.keys)}
    rows: dict[str, list[Row]] = {part: [] for part in PARTS}
    for path, key, part in sorted(photos, key=lambda photo: (photo.key, photo.path)):
        rows[part].append((path, labels[key], names[key]))
    split = Split.from_rows(f"own data in {gathered.origin}", rows)
    index = index_split(
        split,
        gathered.folder,
        name=name,
        template=options.template,
        remedy="mend the table or put the files there",
        random_split=mark,
        findings=replace(_findings(gathered, names, split.table), left_out=tuple(left_out)),
        fingerprints=fingerprints,
    )
    if kept is not None and mark:
        extended = bool(kept.parts)
        new = kept.update(index.table)
        if extended and new.total():
            dealt = ", ".join(f"{new[part]} for {part}" for part in PARTS)
            logger.info("%s: the split is kept; new photos: %s", name, dealt)
    return index


def gather_own_data(name: str, root: Path) -> Gathered:
    """List the photos of own data, in whichever layout.

    Raises:
        ConfigError: there is no own data of that name.
        DataError: it is in none of the known layouts, or has names that cannot stand in tables.
    """
    source = locate_own_data(name, root)
    gathered = gather_folder(source) if source.is_dir() else gather_table(source)
    paths = [photo.path for photo in gathered.photos]
    require_plain_names([*paths, *gathered.keys], gathered.origin)
    return gathered


def own_class_names(name: str, dataset_root: Path | str, class_names: str | None) -> list[str]:
    """List the names of own classes in label order; opens no photo.

    Args:
        name: name of the folder or table.
        dataset_root: the folder that holds it.
        class_names: as of `OwnData`.

    Raises:
        ConfigError: there is no own data of that name.
        DataError: it is in none of the known layouts, or the file of names is broken.
    """
    root = at_home(dataset_root).resolve()
    return list(_class_names(gather_own_data(name, root), root, class_names).values())


def _class_names(gathered: Gathered, root: Path, class_names: str | None) -> dict[str, str]:
    mapping = root / at_home(class_names) if class_names else None
    return name_classes(gathered.keys, mapping)


def _leave_out(gathered: Gathered, left_out: Sequence[tuple[str, str]]) -> None:
    """Remove photos; a class without others counts as a class folder without an image."""
    broken, before = {path for path, _ in left_out}, gathered.keys
    gathered.photos = [photo for photo in gathered.photos if photo.path not in broken]
    emptied = set(before) - set(gathered.keys)
    gathered.empty = tuple(sorted({*gathered.empty, *emptied}))


def _require_usable(gathered: Gathered, left_out: Sequence[tuple[str, str]]) -> None:
    classes = gathered.keys
    if len(classes) < 2 and left_out:
        path, reason = left_out[0]
        raise DataError(
            f"own data in {gathered.origin} has fewer than two classes with photos that can be "
            f"used: {len(left_out)} are left out, for example {path}: {reason}; replace them"
        )
    if len(classes) < 2:
        raise DataError(
            f"own data in {gathered.origin} has one class only, {classes[0]!r}; at least two are "
            "needed, each in a folder of its own (if that one holds the class folders, move them "
            "up)"
        )


def _divide(
    gathered: Gathered,
    split: RandomSplit,
    resplit: bool,
    kept_split: KeptSplit | None,
    fingerprints: Mapping[str, str],
) -> tuple[list[Photo], str]:
    """Return the photos with their parts, and the mark of a split drawn here, else empty."""
    if not resplit and any(photo.part == "test" for photo in gathered.photos):
        return gathered.photos, ""
    divided: list[Photo] = []
    to_divide: dict[str, list[str]] = defaultdict(list)
    for photo in gathered.photos:
        if photo.part == "val" and not resplit:
            divided.append(photo)
        else:
            to_divide[photo.key].append(photo.path)
    drawn = replace(split, val=0.0) if divided else split
    changed = False
    for key, paths in to_divide.items():
        dealt = drawn.divide(paths, key, fingerprints)
        if kept_split is not None:
            fresh, dealt = dealt, kept_split.divide(drawn, paths, key, fingerprints)
            changed |= dealt != fresh
        divided += [Photo(path, key, part) for part, chosen in dealt.items() for path in chosen]
    return divided, split.mark + CHANGED * changed


def _findings(gathered: Gathered, names: Mapping[str, str], table: pd.DataFrame) -> Findings:
    sizes = Counter(photo.key for photo in gathered.photos)
    tested = set(table.loc[table["part"] == "test", "label"])
    alike: dict[str, list[str]] = defaultdict(list)
    for key, name in names.items():
        alike[unicodedata.normalize("NFC", name).casefold()].append(key)
    return Findings(
        ignored_files=dict(sorted(gathered.ignored.items())),
        loose_images=gathered.loose,
        empty_classes=gathered.empty,
        single_image_classes=tuple(names[key] for key, number in sizes.items() if number == 1),
        untested_classes=tuple(
            name for label, name in enumerate(names.values()) if label not in tested
        ),
        alike_classes=tuple(tuple(keys) for keys in alike.values() if len(keys) > 1),
        unread_columns=gathered.unread_columns,
    )
