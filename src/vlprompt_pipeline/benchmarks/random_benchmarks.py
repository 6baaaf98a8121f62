"""A random split of a benchmark, asked for by name where its official split file is not at hand.

The images of a class must lie in a folder of its own. What a benchmark's classes are called and
which folders are none of them is that of the official split; the parts are not, so that results
are marked and are never compared with published ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vlprompt_pipeline.benchmarks.annotations import list_folder
from vlprompt_pipeline.benchmarks.benchmark import Benchmark
from vlprompt_pipeline.benchmarks.image_folders import find_images
from vlprompt_pipeline.benchmarks.random_split import RandomSplit
from vlprompt_pipeline.benchmarks.schema import PARTS
from vlprompt_pipeline.benchmarks.split import Row, Split
from vlprompt_pipeline.errors import ConfigError, DataError


@dataclass(frozen=True)
class FolderNames:
    """What the class folders of a benchmark mean.

    Attributes:
        renamed: folder to class name where they differ.
        ignored: folders that are no class.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()


FOLDER_NAMES = {
    "caltech101": FolderNames(
        {
            "airplanes": "airplane",
            "Faces": "face",
            "Leopards": "leopard",
            "Motorbikes": "motorbike",
        },
        frozenset({"BACKGROUND_Google", "Faces_easy"}),
    ),
    "dtd": FolderNames(),
    "eurosat": FolderNames(
        {
            "AnnualCrop": "Annual Crop Land",
            "HerbaceousVegetation": "Herbaceous Vegetation Land",
            "Highway": "Highway or Road",
            "Industrial": "Industrial Buildings",
            "Pasture": "Pasture Land",
            "PermanentCrop": "Permanent Crop Land",
            "Residential": "Residential Buildings",
            "SeaLake": "Sea or Lake",
        }
    ),
    "food101": FolderNames(),
    "ucf101": FolderNames(),
}
"""The benchmarks with a folder for each class, by name; the others keep labels in annotations."""


def require_splittable(name: str) -> None:
    """Check that the benchmark can be split at random.

    Raises:
        ConfigError: it cannot; the message lists those that can.
    """
    if name not in FOLDER_NAMES:
        raise ConfigError(
            f"split is 'random', but {name} has no folder for each class, or a split of its own; "
            f"set split to official: random splits can be drawn of {', '.join(FOLDER_NAMES)} and "
            "own photos"
        )


def split_at_random(benchmark: Benchmark, root: Path, split: RandomSplit) -> Split:
    """Draw a split of the class folders of a benchmark.

    Raises:
        ConfigError: the benchmark has no class folders.
        DataError: its folder is absent or has not as many classes as it should.
    """
    require_splittable(benchmark.name)
    folder, meaning = benchmark.image_folder(root), FOLDER_NAMES[benchmark.name]
    if not folder.is_dir():
        raise DataError(
            f"dataset {benchmark.name} is not at {folder}; get its images from {benchmark.source}, "
            "or set the parameter dataset_root to the folder that holds "
            f"{benchmark.folder}/"
        )
    keys = [key for key in list_folder(folder).folders if key not in meaning.ignored]
    if len(keys) != benchmark.classes:
        raise DataError(
            f"{folder} has {len(keys)} class folders, {benchmark.name} has {benchmark.classes} "
            f"classes; unpack the archive whole, from {benchmark.source}"
        )
    names = {key: meaning.renamed.get(key, key.replace("_", " ")) for key in keys}
    rows: dict[str, list[Row]] = {part: [] for part in PARTS}
    for label, key in enumerate(keys):
        divided = split.divide(find_images(folder, key).paths, key)
        for part, paths in divided.items():
            rows[part] += [(path, label, names[key]) for path in paths]
    return Split.from_rows(f"the random split of {benchmark.name}", rows)
