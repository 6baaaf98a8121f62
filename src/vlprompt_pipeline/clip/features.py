"""Image features of the frozen tower, computed once and kept in shards.

A set of features is known by (CLIP, arithmetic, images, view, code), never by a file name, so every
method, seed and run that asks for the same gets the same file. Shards are written whole: a killed
extraction repeats at most the shard it was in. One that is not as it was written is made again.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from vlprompt_pipeline.clip.encoding import (
    ImageEncoder,
    ImageSet,
    Views,
    block_size,
    computed_ahead,
    cut,
    encode_in_blocks,
)
from vlprompt_pipeline.clip.transfer import transferred
from vlprompt_pipeline.clip.workers import decode_in_processes, worker_processes
from vlprompt_pipeline.errors import UserError, WeightsError
from vlprompt_pipeline.filesystem.manifests import described_write, find_fault, require_described
from vlprompt_pipeline.filesystem.places import is_there
from vlprompt_pipeline.filesystem.tensor_files import load_tensors, save_tensors
from vlprompt_pipeline.progress import Progress, no_progress
from vlprompt_pipeline.source_code import code_digest

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FeatureSet:
    """Normalised features `[images, views, embed]` of an image set, and what they come from.

    Attributes:
        values: the features.
        identity_sha256: of the CLIP.
        key: of the set in its store.
    """

    values: Tensor
    identity_sha256: str
    key: str

    def of(self, clip: ImageEncoder) -> Tensor:
        """Return the values, for use with this CLIP.

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
    """A folder of feature sets, one sub-folder each.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from PIL import Image
        >>> from vlprompt_pipeline.clip import EvaluationView, ImageSet, load_clip
        >>> from vlprompt_pipeline.image_datasets.fingerprints import fingerprint_images
        >>> clip = load_clip("embedded")
        >>> with TemporaryDirectory() as folder:
        ...     Image.new("RGB", (40, 30), "red").save(f"{folder}/red.png")
        ...     fingerprints = fingerprint_images(["red.png"], Path(folder))
        ...     images = ImageSet(Path(folder), ("red.png",), tuple(fingerprints))
        ...     store = FeatureStore(Path(folder, "store"))
        ...     features = store.extract(clip, images, EvaluationView(clip.preprocessing))
        >>> features.of(clip).shape == (1, 1, clip.embed_dim)  # images, views, width
        True
    """

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
        """Return features of `images`, computing only the shards that are not on disk.

        Args:
            clip: the tower; it computes in blocks of one size, with its own number of threads.
            images: files in order.
            views: what the tower reads of each.
            batch_size: inputs that are read ahead of the tower; decides on memory alone.
            shard_size: images in a file.
            workers: threads that decode; where a GPU computes, a process for each core does.
            progress: shows it.

        Raises:
            DataError: an image cannot be read, or is not the one of the index.
            UserError: the folder cannot be written to.
        """
        key = feature_key(clip, images.fingerprints, views, shard_size)
        shards = cut(range(len(images)), shard_size)
        missing = [rows for number, rows in enumerate(shards) if not self._is_whole(key, number)]
        with (
            progress(f"features of {len(images):,} images", len(images)) as advance,
            clip.arithmetic.running(),
            closing(_encoded(clip, images, views, missing, batch_size, workers, advance)) as ready,
        ):
            for number, rows in enumerate(shards):
                if rows in missing:
                    self._write(key, number, next(ready).unflatten(0, (len(rows), -1)))
                else:
                    advance(len(rows))
        self._describe(key, clip, images, views, shards=len(shards))
        return self.load(key)

    def _write(self, key: str, number: int, values: Tensor) -> None:
        with described_write(self._shard(key, number), key) as temporary:
            save_tensors(temporary, {"features": values}, "shard", {})

    def _is_whole(self, key: str, number: int) -> bool:
        """Tell whether a shard is there as it was written; one that was changed gets a warning."""
        shard = self._shard(key, number)
        fault = find_fault(shard, key) if (there := is_there(shard)) else "is not there"
        if fault and there:
            logger.warning("%s %s: its features are computed again", shard, fault)
        return not fault

    def load(self, key: str) -> FeatureSet:
        """Return a finished feature set.

        Raises:
            UserError: there is none of that key.
        """
        described = self.root / key / "features.json"
        remedy = "run feature_extraction again"
        if not is_there(described):
            raise UserError(f"no image features at {described.parent}: run feature_extraction")
        require_described(described, key, remedy)
        description = json.loads(described.read_text(encoding="utf-8"))
        shards = [self._shard(key, number) for number in range(description["shards"])]
        for shard in shards:
            require_described(shard, key, remedy)
        parts = [load_tensors(shard, "shard")[0]["features"] for shard in shards]
        return FeatureSet(torch.cat(parts), description["identity_sha256"], key)

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
            "arithmetic": clip.arithmetic.key,
            "shards": shards,
        }
        path = self.root / key / "features.json"
        if find_fault(path, key):
            with described_write(path, key) as temporary:
                temporary.write_text(json.dumps(description, indent=1), encoding="utf-8")


def _encoded(
    clip: ImageEncoder,
    images: ImageSet,
    views: Views,
    shards: Sequence[range],
    batch_size: int,
    workers: int,
    advance: Callable[[int], None],
) -> Generator[Tensor, None, None]:
    """Yield features `[images · views, embed]` of each shard."""
    if clip.arithmetic.device == "cuda":
        device = torch.device("cuda", torch.cuda.current_device())
        decoded = decode_in_processes(images, views, shards, worker_processes(), pin=True)
        on_device = transferred(((levels,) for levels in decoded), device)
        source = (views.preprocessing.normalised(levels) for (levels,) in on_device)
    else:

        def decode(row: int) -> Tensor:
            return views.pixels(images.read(row), images.fingerprints[row])

        ahead = max(workers, batch_size // views.count)
        decoded = computed_ahead(decode, chain.from_iterable(shards), ahead, workers)
        source = decoded

    def inputs(count: int) -> Iterator[Tensor]:
        """Yield those of the next `count` images."""
        while count:
            pixels = next(source)
            yield pixels
            taken = len(pixels) // views.count
            advance(taken)
            count -= taken

    block = block_size(clip.arithmetic)
    with closing(decoded):
        for shard in shards:
            yield encode_in_blocks(clip.encode_images, inputs(len(shard)), block)


def feature_key(
    clip: ImageEncoder, fingerprints: Iterable[str], views: Views, shard_size: int
) -> str:
    """Return the key of the features of images, by their fingerprints, in a store."""
    code = code_digest("features", type(clip), type(views))
    parts = (clip.identity_sha256, clip.arithmetic.key, views.identity, code, shard_size)
    lines = (f"{part}\n" for part in (*parts, *fingerprints))
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:24]
