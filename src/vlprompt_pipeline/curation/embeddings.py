"""Features of a folder of photos: a Parquet file that says which CLIP made them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor

from vlprompt_pipeline.clip import EvaluationView, FrozenClip, load_clip
from vlprompt_pipeline.clip.encoding import block_size, encode_in_blocks
from vlprompt_pipeline.errors import DataError, WeightsError
from vlprompt_pipeline.filesystem.files import atomic_write
from vlprompt_pipeline.image_datasets.image_folders import find_images, ignored_files, readable_name
from vlprompt_pipeline.progress import Advance
from vlprompt_pipeline.wording import readable

_KEY = b"vlprompt"
_AHEAD = 256  # photos decoded at once: our choice


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Normalised image features, a row a photo.

    Attributes:
        folder: that paths are relative to.
        paths: of the photos.
        labels: the name of the folder that a photo lies in, empty for one outside class folders.
        features: `[photos, width]`, of length 1.
        clip_source: where the CLIP comes from, as `clip.source`.
        clip_identity: SHA-256 of all that turns pixels and texts into features.
        problems: path and reason of photos that could not be read; not stored.
    """

    folder: Path
    paths: tuple[str, ...]
    labels: tuple[str, ...]
    features: np.ndarray
    clip_source: str
    clip_identity: str
    problems: tuple[tuple[str, str], ...] = ()

    def save(self, file: Path) -> None:
        """Write the columns `path`, `label` and `feature`."""
        features = pa.FixedSizeListArray.from_arrays(
            pa.array(self.features.reshape(-1)), self.features.shape[1]
        )
        about = {
            "folder": str(self.folder),
            "clip_source": self.clip_source,
            "clip_identity": self.clip_identity,
        }
        table = pa.table({"path": self.paths, "label": self.labels, "feature": features})
        with atomic_write(file) as temporary:
            pq.write_table(table.replace_schema_metadata({_KEY: json.dumps(about)}), temporary)

    @classmethod
    def load(cls, file: Path) -> Embeddings:
        """Read what `save` wrote.

        Raises:
            DataError: it is no such file.
        """
        try:
            table = pq.read_table(file)
            about = json.loads((table.schema.metadata or {})[_KEY])
            features = np.asarray(table["feature"].combine_chunks().values, dtype=np.float32)
            paths, labels = (tuple(table[name].to_pylist()) for name in ("path", "label"))
            return cls(
                Path(about["folder"]),
                paths,
                labels,
                features.reshape(len(paths), -1),
                about["clip_source"],
                about["clip_identity"],
            )
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise DataError(
                f"{file} holds no features of photos ({type(error).__name__}): vlprompt embed "
                "FOLDER --out writes such a file"
            ) from None

    def features_of(self, paths: Sequence[str]) -> np.ndarray:
        """Return the features of these photos, a row each.

        Raises:
            DataError: a photo is not among them.
        """
        row_of = {path: row for row, path in enumerate(self.paths)}
        rows = [row_of.get(path) for path in paths]
        if None in rows:
            raise DataError(
                f"{paths[rows.index(None)]} is not among the photos of the features, which are "
                f"those of {self.folder}: embed the folder that the table was made of"
            )
        return self.features[rows]

    def load_clip(self, device: str = "auto") -> FrozenClip:
        """Load the CLIP that made the features.

        Raises:
            WeightsError: another one is at its place now.
        """
        clip = load_clip(self.clip_source, device=device)
        if clip.identity_sha256 != self.clip_identity:
            raise WeightsError(
                f"{self.clip_source} is another CLIP than the one that made these features: "
                "embed the folder again"
            )
        return clip


def embed_folder(clip: FrozenClip, folder: Path, advance: Advance) -> Embeddings:
    """Compute the features of all photos below a folder; those that cannot be read are named.

    Raises:
        DataError: there is no photo that can be read.
    """
    folder = folder.resolve()
    found = find_images(folder, "")
    paths = found.paths
    problems: list[tuple[str, str]] = []
    good: list[str] = []
    view = EvaluationView(clip.preprocessing, "as_seen")

    def decode(path: str) -> Tensor | str:
        try:
            return view.of(folder / path)[None]
        except (DataError, OSError) as error:
            return str(error)

    def inputs() -> Iterator[Tensor]:
        with ThreadPoolExecutor() as pool:
            for start in range(0, len(paths), _AHEAD):
                chunk = paths[start : start + _AHEAD]
                for path, decoded in zip(chunk, pool.map(decode, chunk), strict=True):
                    advance(1)
                    if isinstance(decoded, str):
                        problems.append((path, decoded))
                        continue
                    good.append(path)
                    yield decoded

    pixels = inputs()
    first = next(pixels, None)
    if first is None:
        ignored = ignored_files(found.ignored)
        raise DataError(
            f"no photo in {folder} can be read{ignored and f' ({ignored})'}: name a folder that "
            "holds some"
        )

    features = encode_in_blocks(
        clip.encode_images, chain([first], pixels), block_size(clip.arithmetic)
    )
    return Embeddings(
        folder,
        tuple(map(readable_name, good)),
        tuple(_label(readable_name(path)) for path in good),
        features.numpy().astype(np.float32),
        clip.source,
        clip.identity_sha256,
        tuple(problems),
    )


def _label(path: str) -> str:
    return readable(PurePosixPath(path).parent.name)
