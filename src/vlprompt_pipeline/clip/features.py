"""Image features of the frozen tower, computed once and kept in shards.

A set of features is known by (weights, images, view), never by a file name, so every method, seed
and run that asks for the same gets the same file. Shards are written whole: a killed extraction
repeats at most the shard it was in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import compress, islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from vlprompt_pipeline.errors import UserError, WeightsError
from vlprompt_pipeline.files import atomic_write
from vlprompt_pipeline.progress import Progress, no_progress


class ImageEncoder(Protocol):
    """What turns pixels into features: a frozen CLIP, or one with prompts in its image tower."""

    @property
    def name(self) -> str:
        """What the CLIP is called."""

    @property
    def identity_sha256(self) -> str:
        """Hash of all that the features depend on, besides images and view."""

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Normalised features `[images, embed]` of pixels `[images, 3, size, size]`."""


class Views(Protocol):
    """How one image file becomes `count` inputs of the image tower."""

    count: int

    @property
    def identity(self) -> str:
        """What the features depend on, besides image and weights."""

    def pixels(self, path: Path, fingerprint: str) -> Tensor:
        """`[count, 3, size, size]`."""


@dataclass(frozen=True)
class ImageSet:
    """Image files of one folder, in order: relative paths and their content fingerprints."""

    folder: Path
    paths: tuple[str, ...]
    fingerprints: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    @classmethod
    def of(cls, folder: Path, table: Any) -> ImageSet:
        """The rows of an index, a table with the columns `path` and `fingerprint`."""
        return cls(folder, tuple(table["path"]), tuple(table["fingerprint"]))


@dataclass(frozen=True)
class FeatureSet:
    """Normalised features `[images, views, embed]` of an image set, and what they come from."""

    values: Tensor
    identity_sha256: str
    key: str

    def of(self, clip: ImageEncoder) -> Tensor:
        """The values, for use with this CLIP.

        Raises:
            WeightsError: they were computed with another one.
        """
        if self.identity_sha256 != clip.identity_sha256:
            raise WeightsError(
                f"the image features were computed with the CLIP {self.identity_sha256[:16]}…, but "
                f"{clip.name} is {clip.identity_sha256[:16]}…: "
                "run feature_extraction again, and give each CLIP a clip.name of its own"
            )
        return self.values


@dataclass(frozen=True)
class FeatureStore:
    """A folder of feature sets, one sub-folder each."""

    root: Path

    @torch.no_grad()
    def extract(
        self,
        clip: ImageEncoder,
        images: ImageSet,
        views: Views,
        *,
        batch_size: int = 256,
        shard_size: int = 2048,
        workers: int = 2,
        progress: Progress = no_progress,
    ) -> FeatureSet:
        """Features of `images`, computing only the shards that are not on disk.

        Raises:
            DataError: an image cannot be read.
            UserError: the folder cannot be written to.
        """
        key = _key(clip, images, views, shard_size)
        shards = _cut(range(len(images)), shard_size)
        missing = [not self._shard(key, number).is_file() for number in range(len(shards))]
        todo = [batch for rows in compress(shards, missing) for batch in _cut(rows, batch_size)]
        with (
            progress(f"features of {len(images):,} images", len(images)) as advance,
            closing(_decoded(images, views, todo, workers)) as batches,
        ):
            for number, rows in enumerate(shards):
                if missing[number]:
                    encoded = []
                    for batch in islice(batches, len(_cut(rows, batch_size))):
                        encoded.append(clip.encode_images(batch.flatten(0, 1)).cpu())
                        advance(len(batch))
                    values = torch.cat(encoded).unflatten(0, (len(rows), views.count))
                    with atomic_write(self._shard(key, number)) as temporary:
                        save_file({"features": values}, temporary)
                else:
                    advance(len(rows))
        self._describe(key, clip, images, views, shards=len(shards))
        return self.load(key)

    def load(self, key: str) -> FeatureSet:
        """A finished feature set.

        Raises:
            UserError: there is none of that key.
        """
        described = self.root / key / "features.json"
        if not described.is_file():
            raise UserError(f"no image features at {described.parent}: run feature_extraction")
        description = json.loads(described.read_text())
        shards = [load_file(self._shard(key, i))["features"] for i in range(description["shards"])]
        return FeatureSet(torch.cat(shards), description["identity_sha256"], key)

    def _shard(self, key: str, number: int) -> Path:
        return self.root / key / f"shard-{number:05d}.safetensors"

    def _describe(
        self, key: str, clip: ImageEncoder, images: ImageSet, views: Views, shards: int
    ) -> None:
        description = {
            "clip": clip.name,
            "identity_sha256": clip.identity_sha256,
            "images": len(images),
            "views": views.identity,
            "shards": shards,
        }
        with atomic_write(self.root / key / "features.json") as temporary:
            temporary.write_text(json.dumps(description, indent=1))


def _key(clip: ImageEncoder, images: ImageSet, views: Views, shard_size: int) -> str:
    digest = hashlib.sha256(f"{clip.identity_sha256}\n{views.identity}\n{shard_size}\n".encode())
    for fingerprint in images.fingerprints:
        digest.update(f"{fingerprint}\n".encode())
    return digest.hexdigest()[:24]


def _cut(rows: range, size: int) -> list[range]:
    """Pieces of `size` rows; the last may be shorter."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _decoded(
    images: ImageSet, views: Views, batches: Sequence[range], workers: int
) -> Generator[Tensor, None, None]:
    """Batches `[batch, views, 3, size, size]`, decoded by threads one batch ahead of the tower.

    One stream for all shards: while a shard is written the next is being decoded already. A batch
    is good until the next is asked for, since all stand in the same memory: fresh memory for each
    costs about as much as decoding what is put into it.
    """

    def decode(row: int) -> Tensor:
        return views.pixels(images.folder / images.paths[row], images.fingerprints[row])

    pool = ThreadPoolExecutor(workers)
    try:
        waiting: list[Future[Tensor]] = []
        memory: np.ndarray | None = None
        for batch in [*batches, range(0)]:
            submitted = [pool.submit(decode, row) for row in batch]
            if waiting:
                pixels = [future.result().numpy() for future in waiting]
                if memory is None or len(memory) < len(pixels):
                    memory = np.empty((len(pixels), *pixels[0].shape), pixels[0].dtype)
                # numpy copies in this thread; torch would start others, against those that decode
                yield torch.from_numpy(np.stack(pixels, out=memory[: len(pixels)]))
            waiting = submitted
    finally:
        pool.shutdown(cancel_futures=True)  # a run that ends early does not wait for the rest
