"""What a dataset is downloaded from, as data; `fetching` does the downloading.

The bundle holds all published datasets but ImageNet in the layout of the literature, with their
split files; the Hugging Face hub publishes a SHA-256 of each archive. Official archives come
second, where they can be had without a login: their MD5 are those that torchvision checks. Where
there is no checksum, none is known to us.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

BUNDLE = "zhengli97/prompt_learning_dataset"


class Checksum(NamedTuple):
    """A published checksum: its kind and its hex digits."""

    kind: Literal["sha256", "md5"]
    digits: str

    def __str__(self) -> str:
        return f"{self.kind} {self.digits}"


@dataclass(frozen=True, kw_only=True)
class DownloadFile:
    """Describe one file of a source and where its content goes.

    Attributes:
        url: address of the file; for a file of the hub, its path in the repository `hub`.
        hub: repository on the Hugging Face hub; the hub says its size and SHA-256.
        checksum: as published; None: none is known to us, so the first one seen is remembered.
        put: path in the dataset's folder; "" is the folder itself.
        take: which folder of the archive goes there; None: the folder that holds the dataset in
            its known layout, wherever it is in the archive.
        inner: an archive inside the archive, which holds the content.
        is_archive: False: the file itself goes to `put`.
    """

    url: str
    hub: str | None = None
    checksum: Checksum | None = None
    put: str = ""
    take: str | None = None
    inner: str | None = None
    is_archive: bool = True

    @property
    def file_name(self) -> str:
        """The last part of the address."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class DownloadSource:
    """Everything that a dataset consists of, from one publisher; `title` as in "from ..."."""

    title: str
    files: tuple[DownloadFile, ...]


@dataclass(frozen=True, kw_only=True)
class DownloadRecipe:
    """List the sources of one dataset; the first that works is taken.

    Attributes:
        sources: in the order they are tried; none: it cannot be downloaded by a program.
        by_hand: what a person can do, as a sentence, `<dataset_root>` standing for the folder;
            empty: to get it from the dataset's `source`.

    Example:
        >>> from vlprompt_pipeline.image_datasets.download_recipe import (
        ...     Checksum,
        ...     DownloadFile,
        ...     DownloadRecipe,
        ...     DownloadSource,
        ... )
        >>> archive = DownloadFile(
        ...     url="https://example.org/leaves.tar.gz",
        ...     checksum=Checksum("md5", "0" * 32),
        ...     put="images",
        ... )
        >>> source = DownloadSource(title="the authors' archive", files=(archive,))
        >>> DownloadRecipe(sources=(source,)).sources[0].files[0].file_name
        'leaves.tar.gz'
    """

    sources: tuple[DownloadSource, ...]
    by_hand: str = ""


def bundled_download(archive: str, *official: DownloadFile) -> DownloadRecipe:
    """Make the recipe of a dataset in the bundle.

    Args:
        archive: its name in the bundle.
        official: the authors' files, which are the second source; none: the bundle is the only one.
    """
    bundle = DownloadFile(url=archive, hub=BUNDLE)
    sources = [DownloadSource(title=f"{BUNDLE} on the hub", files=(bundle,))]
    if official:
        title = "the authors' archives or their mirrors"
        sources.append(DownloadSource(title=title, files=official))
    return DownloadRecipe(sources=tuple(sources))
