"""Decode whole image files, and keep a table of what was read, by fingerprint."""

from __future__ import annotations

import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from PIL import UnidentifiedImageError

from vlprompt_pipeline.filesystem.manifests import described_write, find_fault
from vlprompt_pipeline.filesystem.places import is_there
from vlprompt_pipeline.images import Decoding, as_seen, open_image, require_shape
from vlprompt_pipeline.source_code import code_digest

logger = logging.getLogger(__name__)
_IMAGES_PER_TASK = 64
MAX_BYTES = 1 << 30
"""Our choice: a larger file is no picture of these datasets, and is not read into memory."""
FACTS = ["sha256", "bytes"]
"""Columns of the table."""


class DecodedImage(NamedTuple):
    """One image: its content hash and size, or why it cannot be read."""

    fingerprint: str
    sha256: str = ""
    bytes: int = 0
    reason: str = ""


def decode_images(
    rows: pd.DataFrame, folder: Path, decoding: Decoding, workers: int | None
) -> list[DecodedImage]:
    """Decode the images of an index's rows, in order, with so many threads."""
    images = list(zip(rows["fingerprint"], rows["path"], strict=True))
    tasks = [images[i : i + _IMAGES_PER_TASK] for i in range(0, len(images), _IMAGES_PER_TASK)]
    with ThreadPoolExecutor(workers) as pool:
        decoded = pool.map(
            lambda task: [decode_image(key, folder / path, decoding) for key, path in task], tasks
        )
        return list(chain.from_iterable(decoded))


def decode_image(fingerprint: str, file: Path, decoding: Decoding) -> DecodedImage:
    """Read all data of an image file, and say what is wrong with it for `images.read_rgb`."""
    content = b""
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            reason = f"{size:,} bytes, more than any picture here has"
            return DecodedImage(fingerprint, reason=reason)
        content = file.read_bytes()
        with open_image(BytesIO(content)) as image:
            require_shape(*image.size)
            # A JPEG is decoded at an eighth of its size: faster, and all of its data is still read.
            image.draft(None, (1, 1))
            if decoding == "as_seen":
                as_seen(image)
            else:
                image.load()
    except UnidentifiedImageError:
        reason = "not an image of a known format" if content else "an empty file"
        return DecodedImage(fingerprint, reason=reason)
    except MemoryError:
        raise
    except Exception as error:  # decoders raise nearly anything on garbage: struct, zlib, Syntax...
        return DecodedImage(fingerprint, reason=str(error) or type(error).__name__)
    return DecodedImage(fingerprint, hashlib.sha256(content).hexdigest(), len(content))


def read_decoded(cache: Path | None) -> pd.DataFrame:
    """Read what is known, by fingerprint: nothing if the file is absent, broken or older."""
    if cache is not None and is_there(cache):
        fault = find_fault(cache, code_digest(__name__))
        if not fault:
            return pd.read_parquet(cache)[FACTS]
        logger.warning("%s %s: the images are decoded again", cache, fault)
    types = {"fingerprint": str, "sha256": str, "bytes": "int64"}
    return pd.DataFrame(columns=list(types)).astype(types).set_index("fingerprint")


def write_decoded(checked: pd.DataFrame, cache: Path | None) -> None:
    """Write what is known, if there is a file for it."""
    if cache is not None:
        with described_write(cache, code_digest(__name__)) as temporary:
            checked.to_parquet(temporary)
