"""What a dataset is fetched from, as data."""

from __future__ import annotations

from dataclasses import dataclass

from vlprompt_pipeline.fetching.checksum import Checksum


@dataclass(frozen=True, kw_only=True)
class Part:
    """One file of a source and where its content goes.

    Attributes:
        url: address of the file; for a file of the hub, its path in the repository `hub`.
        hub: repository on the Hugging Face hub; the hub says its size and SHA-256.
        checksum: as published; None: none is known to us, so the first one seen is remembered.
        put: place in the dataset's folder; "" is the folder itself.
        take: what of the archive goes there: a folder in it; None: the folder that holds the
            dataset in its known layout, wherever it is.
        inner: an archive inside the archive, which holds the content.
        packed: False: the file itself goes to `put`.
    """

    url: str
    hub: str | None = None
    checksum: Checksum | None = None
    put: str = ""
    take: str | None = None
    inner: str | None = None
    packed: bool = True

    @property
    def file_name(self) -> str:
        """Last part of the address."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Everything a dataset consists of, from one publisher; `title` as in "from ..."."""

    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Sources of one dataset, the first that works is taken.

    Attributes:
        sources: in the order they are tried; none: it cannot be fetched by a program.
        by_hand: what a person can do, as a sentence.
    """

    sources: tuple[Source, ...]
    by_hand: str
