"""A model that tells colours apart: decoding is real, no CLIP is needed."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.images import read_rgb
from vlprompt_pipeline.rejection import Rejection


class ColourModel:
    """Scores red, green and blue by how much of each there is; see `ImageModel`."""

    name, version, block = "colours.mean", "7", 4
    pixel_shape = (3, 8, 8)

    def __init__(
        self,
        class_names: Sequence[str] = ("red", "green", "blue"),
        rejection: Rejection | None = None,
    ) -> None:
        self.class_names, self.rejection = tuple(class_names), rejection

    def pixels(self, source: bytes) -> np.ndarray:
        image = read_rgb(io.BytesIO(source), "as_seen", 8).resize((8, 8))
        return np.asarray(image, np.float32).transpose(2, 0, 1) / 255

    def logits(self, pixels: np.ndarray) -> np.ndarray:
        """Logarithms of the shares, whose softmax are the shares."""
        means = pixels.mean((2, 3)) + 1e-9
        return np.log(means / means.sum(-1, keepdims=True))

    def with_classes(self, class_names: Sequence[str]) -> ColourModel:
        if len(class_names) != 3:
            raise ConfigError("there are three colours")
        return ColourModel(class_names)


def picture(colour: object = "red", size: tuple[int, int] = (40, 30), kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, kind)
    return stream.getvalue()


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header says this size and that holds nothing."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    chunks = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    for name, data in parts:
        crc = zlib.crc32(name + data)
        chunks += struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)
    return b"\x89PNG\r\n\x1a\n" + chunks
