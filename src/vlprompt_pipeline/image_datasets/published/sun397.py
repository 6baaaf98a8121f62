"""SUN397: scenes.

    sun397/SUN397/<letter>/<scene>[/<kind>]/sun_<code>.jpg
    sun397/split_zhou_SUN397.json
    sun397/Testing_01.txt (optional)

A class is called by its folders without the letter, the last one first: `i/ice_skating_rink/indoor`
is "indoor ice skating rink". Labels follow the official list of classes. The content of the split
file is not compared with a hash (none is known to us), but its test part is the official one, so
that it is compared with `Testing_01.txt` of the archive Partitions.zip.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets.annotations import read_lines
from vlprompt_pipeline.image_datasets.download_recipe import bundled_download
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.lookup import register_dataset
from vlprompt_pipeline.image_datasets.miniatures.form import (
    MiniatureForm,
    PartRows,
    split_file_writer,
    write_lines,
)
from vlprompt_pipeline.image_datasets.path_labels import PathLabels
from vlprompt_pipeline.image_datasets.split import PartCounts, Split
from vlprompt_pipeline.image_datasets.split_file import OTHER_SPLIT_FILES, SplitFile
from vlprompt_pipeline.wording import readable

_SPLIT, _TEST_LIST = "split_zhou_SUN397.json", "Testing_01.txt"


@dataclass(frozen=True)
class CheckedSplitFile(SplitFile):
    """A split file whose test part is that of the official list, if the list is there."""

    def read(self, folder: Path, images: Path) -> Split:
        """Read the split file and compare it with the list.

        Raises:
            DataError: the file is broken, or the two have different test images.
        """
        split = super().read(folder, images)
        if (folder / _TEST_LIST).is_file():
            _verify_test_part(split, folder / _TEST_LIST)
        return split


def _verify_test_part(split: Split, file: Path) -> None:
    official = {line.removeprefix("/") for line in read_lines(file)}
    test_paths = set(split.table.loc[split.table["part"] == "test", "path"])
    if test_paths != official:
        different = sorted(test_paths ^ official)
        raise DataError(
            f"the test part of {split.origin} is not that of {file}: {len(different):,} images are "
            f"in one of them only, the first is {different[0]}; get the official files from "
            f"{SUN397.source}"
        )


def _scene(path: PurePosixPath) -> str:
    """Return the class of `i/ice_skating_rink/indoor/sun_1.jpg`: `ice_skating_rink/indoor`."""
    return "/".join(path.parts[1:-1])


def _scene_name(scene: str) -> str:
    """Return what a class is called: "indoor ice skating rink" for `ice_skating_rink/indoor`."""
    return readable(" ".join(reversed(scene.split("/"))))


def _write_split_and_test_list(folder: Path, rows: PartRows) -> None:
    """Write the miniature's split file and its list of test images, which start with a slash."""
    split_file_writer(_SPLIT)(folder, rows)
    write_lines(folder / _TEST_LIST, [f"/{path}" for path, _, _ in rows["test"]])


SUN397 = ImageDataset(
    name="sun397",
    title="SUN397",
    folder="sun397",
    image_prefix="SUN397",
    split=CheckedSplitFile(_SPLIT),
    template="a photo of a {}.",
    classes=397,
    counts=PartCounts(train=15880, val=3970, test=19850),
    licence="not stated by the authors; the pictures are of several owners on the web",
    citation=(
        "J. Xiao, J. Hays, K. A. Ehinger, A. Oliva, A. Torralba: SUN database, large-scale scene "
        "recognition from abbey to zoo, CVPR 2010"
    ),
    source=(
        "https://vision.princeton.edu/projects/2010/SUN (images, Partitions.zip) and "
        f"{OTHER_SPLIT_FILES} (split_zhou_SUN397.json)"
    ),
    column=8,
    download=bundled_download("sun397.zip"),
    path_labels=PathLabels(class_key=_scene, class_name=_scene_name),
    miniature=MiniatureForm(
        _write_split_and_test_list,
        [
            ("a/abbey/sun_a{serial:05}.jpg", "abbey"),
            ("i/ice_skating_rink/indoor/sun_b{serial:05}.jpg", "indoor ice_skating_rink"),
            ("i/ice_skating_rink/outdoor/sun_b{serial:05}.jpg", "outdoor ice_skating_rink"),
            ("z/zen_garden/sun_b{serial:05}.jpg", "zen_garden"),
        ],
    ),
)
register_dataset(SUN397)
