"""A random split of a benchmark, asked for by name where its official split file is not at hand.

The path of an image must tell its class. Names and order of the classes are those of the official
split; the parts are not, so that results are marked and never compared with published ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from vlprompt_pipeline.errors import ConfigError, DataError
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.image_folders import find_images
from vlprompt_pipeline.image_datasets.random_split import RandomSplit
from vlprompt_pipeline.image_datasets.schema import PARTS
from vlprompt_pipeline.image_datasets.split import Row, Split


def _first_folder(path: PurePosixPath) -> str:
    return path.parts[0] if len(path.parts) > 1 else ""


def _spoken(key: str) -> str:
    return key.replace("_", " ")


def _breed(path: PurePosixPath) -> str:
    """`Abyssinian_1.jpg` is of the breed `abyssinian`."""
    return path.stem.rpartition("_")[0].lower()


def _scene(path: PurePosixPath) -> str:
    """`i/ice_skating_rink/indoor/sun_1.jpg` is of `ice_skating_rink/indoor`."""
    return "/".join(path.parts[1:-1])


def _scene_name(key: str) -> str:
    """`ice_skating_rink/indoor` is called "indoor ice skating rink"."""
    return _spoken(" ".join(reversed(key.split("/"))))


def _run_together(key: str) -> str:
    """`Hammer_Throw` stands where the official list has HammerThrow, after Hammering."""
    return key.replace("_", "").lower()


@dataclass(frozen=True)
class Labelling:
    """How the path of an image tells its class.

    Attributes:
        key: class of an image, by its path; "" for images of none.
        name: what a class is called.
        order: what labels follow, by class.
        renamed: classes that are called otherwise.
        ignored: folders that are no class.
    """

    key: Callable[[PurePosixPath], str] = _first_folder
    name: Callable[[str], str] = _spoken
    order: Callable[[str], str] = str
    renamed: Mapping[str, str] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()


LABELLINGS = {
    "caltech101": Labelling(
        renamed={
            "airplanes": "airplane",
            "Faces": "face",
            "Leopards": "leopard",
            "Motorbikes": "motorbike",
        },
        ignored=frozenset({"BACKGROUND_Google", "Faces_easy"}),
    ),
    "dtd": Labelling(),
    "eurosat": Labelling(
        renamed={
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
    "food101": Labelling(),
    "oxford_pets": Labelling(_breed),
    "sun397": Labelling(_scene, _scene_name),
    "ucf101": Labelling(order=_run_together),
}
"""By name of the benchmark; the others keep their labels in annotation files."""


def require_splittable(name: str) -> None:
    """Check that the benchmark can be split at random.

    Raises:
        ConfigError: it cannot; the message lists those that can.
    """
    if name not in LABELLINGS:
        raise ConfigError(
            f"split is 'random', but the paths of {name} do not tell the classes, or its split is "
            "its own; set split to official: random splits can be drawn of "
            f"{', '.join(LABELLINGS)} and own photos"
        )


def split_at_random(benchmark: ImageDataset, root: Path, split: RandomSplit) -> Split:
    """Draw a split of the images of a benchmark.

    Raises:
        ConfigError: the paths of its images do not tell their classes.
        DataError: its folder is absent or has not as many classes as it should.
    """
    require_splittable(benchmark.name)
    folder, labelling = benchmark.image_folder(root), LABELLINGS[benchmark.name]
    if not folder.is_dir():
        raise DataError(
            f"dataset {benchmark.name} is not at {folder}; get its images from {benchmark.source}, "
            "or set the parameter dataset_root to the folder that holds "
            f"{benchmark.folder}/"
        )
    classes: dict[str, list[str]] = defaultdict(list)
    for path in find_images(folder, "").paths:
        classes[labelling.key(PurePosixPath(path))].append(path)
    keys = sorted(set(classes) - labelling.ignored - {""}, key=labelling.order)
    if len(keys) != benchmark.classes:
        raise DataError(
            f"{folder} has images of {len(keys)} classes, {benchmark.name} has "
            f"{benchmark.classes}; unpack the archive whole, from {benchmark.source}"
        )
    rows: dict[str, list[Row]] = {part: [] for part in PARTS}
    for label, key in enumerate(keys):
        name = labelling.renamed.get(key) or labelling.name(key)
        for part, paths in split.divide(classes[key], key).items():
            rows[part] += [(path, label, name) for path in paths]
    return Split.from_rows(f"the random split of {benchmark.name}", rows)
