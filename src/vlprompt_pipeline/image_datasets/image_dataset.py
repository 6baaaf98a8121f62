"""What an image dataset is: where it lies, what is expected in it, how to get and cite it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vlprompt_pipeline.image_datasets.download_recipe import DownloadRecipe
from vlprompt_pipeline.image_datasets.miniatures.form import MiniatureForm
from vlprompt_pipeline.image_datasets.path_labels import PathLabels
from vlprompt_pipeline.image_datasets.split import PartCounts, SplitSource


@dataclass(frozen=True, kw_only=True)
class ImageDataset:
    """Describe one dataset as data: a new dataset is a new value in a file of its own.

    Attributes:
        name: the name used in configuration, in file paths and in the table of published figures.
        title: the name used in reports.
        folder: the dataset's folder, relative to the dataset root.
        image_prefix: folder of the images inside `folder`; the split's paths start there.
        split: how the official split is written down.
        template: text of the zero-shot prompt, with `{}` for the class name.
        classes: number of classes.
        counts: images per part of the official split.
        split_sha256: content hash of the official split (see `split`); None: not compared.
        licence: licence of the images.
        citation: the publication to cite.
        source: where to get the dataset, as the end of a sentence "get it from ...".
        shift_of: name of the dataset whose shifted variant this one is, if it is one.
        column: place in the published tables, counted from 1; None: in no table, listed last.
        download: what a program can download it from; None: a person gets it from `source`.
        path_labels: how paths tell the classes, for random splits; None: they do not.
        miniature: what its miniature looks like; None: it has none.
        make: writes the dataset under a dataset root when it can be made on this machine.

    Example:
        >>> from pathlib import Path
        >>> from vlprompt_pipeline.image_datasets import ImageDataset, PartCounts, SplitFile
        >>> leaves = ImageDataset(
        ...     name="leaves",
        ...     title="Leaves",
        ...     folder="leaves",
        ...     image_prefix="images",
        ...     split=SplitFile("split_leaves.json"),
        ...     template="a photo of a {} leaf.",
        ...     classes=3,
        ...     counts=PartCounts(train=30, val=6, test=12),
        ...     licence="CC BY 4.0",
        ...     citation="A. Botanist: Leaves, 2026",
        ...     source="https://example.org/leaves",
        ... )
        >>> leaves.image_folder(Path("datasets")).as_posix()
        'datasets/leaves/images'
    """

    name: str
    title: str
    folder: str
    image_prefix: str
    split: SplitSource
    template: str
    classes: int
    counts: PartCounts
    split_sha256: str | None = None
    licence: str
    citation: str
    source: str
    shift_of: str | None = None
    column: int | None = None
    download: DownloadRecipe | None = None
    path_labels: PathLabels | None = None
    miniature: MiniatureForm | None = None
    make: Callable[[Path], Path] | None = None

    @property
    def download_advice(self) -> str:
        """Advice to run the command that downloads the dataset, or says how a person gets it."""
        fetched = self.download is not None and self.download.sources
        what = "fetch it" if fetched else "print how a person gets it"
        return f"{what} with `kedro run --pipelines=data_download --params=dataset={self.name}`"

    def dataset_folder(self, dataset_root: Path) -> Path:
        """Return the folder of the images and annotations."""
        return dataset_root / self.folder

    def image_folder(self, dataset_root: Path) -> Path:
        """Return the folder that the paths of the split are relative to."""
        return dataset_root / self.folder / self.image_prefix
