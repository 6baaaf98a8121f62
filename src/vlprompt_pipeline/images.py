"""Decode image files to RGB, as published code reads them or as a viewer shows them.

`published` is `Image.open(path).convert("RGB")` of KaiyangZhou/Dassl.pytorch (`read_image`), to
the pixel: the EXIF orientation is ignored, transparency is dropped, 16-bit values are cut at 255.
Results on published datasets are comparable only with this decoding.

`as_seen` differs where a viewer shows another picture (our choice, meant for own photos):

* the EXIF orientation is followed;
* transparent pixels, by an alpha channel or in a palette, are laid on white;
* 16-bit grey is scaled to 8 bits, by its high byte as Pillow does for 16-bit colour;
* large JPEGs are decoded at a half, a quarter or an eighth, see `MARGIN`.

Both take the first picture of an animation and undo the inversion of Adobe's CMYK JPEGs. For
upright JPEGs of grey or colour that are not large they are the same.
"""

from __future__ import annotations

import hashlib
import os
import struct
import warnings
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.filesystem.places import is_there

# Pillow warns of photos from half of its limit on, which are read all the same.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

Decoding = Literal["published", "as_seen"]

MARGIN = 3
"""Least ratio of a reduced JPEG's size to the size that is needed (our choice).

Decoding at a half averages 2 x 2 pixels where the reference filters all of them; what is then
resized by another factor of 3 or more differs from the reference by less than one grey level of
255 in the mean, even on noise and fine rings.
"""

PIXELS_PER_BYTE = 1000
"""How many pixels a byte of a JPEG above Pillow's limit can stand for; one with more is taken for a
decompression bomb (our choice).

The emptiest picture there can be, of one colour, takes a bit or two for each block of each colour:
about 170 pixels a byte, and 350 where blocks are coded in runs.
"""

LONGEST_RATIO = 100
"""Largest ratio of the long to the short side (our choice). Resized by its short side, a picture
of 1 x 100,000 pixels would be one of 224 x 22,400,000, and a file of a few bytes take 15 GB."""

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Formats that `require_size` lets pass: some of Pillow's others start Ghostscript."""

STRIP = 256  # rows that are laid on white at once: our choice


class ImageBytes(BytesIO):
    """The content of an image file, which knows its path."""

    def __init__(self, path: Path) -> None:
        """Raise DataError if the file cannot be read."""
        try:
            if not path.exists():  # a photo in a place
                is_there(path)
            super().__init__(path.read_bytes())
        except OSError as error:
            raise _unreadable(path, error.strerror or str(error)) from error
        self.path = path

    @classmethod
    def known(cls, path: Path, fingerprint: str) -> ImageBytes:
        """Return the file that has this fingerprint, by content where that is what it is known by.

        Raises:
            DataError: it cannot be read, or has been changed or removed since it was fingerprinted.
        """
        try:
            file = cls(path)
        except DataError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            raise DataError(
                f"{path} is not there any more: the images were changed since the last run made "
                "their index; run again from data_preparation on"
            ) from error
        kind, _, sha256 = fingerprint.partition(":")
        if kind == "sha256" and sha256 != hashlib.sha256(file.getbuffer()).hexdigest():
            raise DataError(
                f"{path} has been changed since the index was made: run again from "
                "data_preparation on"
            )
        return file


def read_rgb(
    source: Path | BinaryIO, decoding: Decoding, short_side: int | None = None
) -> Image.Image:
    """Decode an image file.

    Args:
        source: the file, or its bytes.
        decoding: see the module's text.
        short_side: length in pixels that the picture's short side will be resized to, for which
            `as_seen` decodes a larger JPEG at a reduced size; none for its full size.

    Raises:
        DataError: the file is no image, damaged, or too large to decode.
    """
    try:
        with open_image(source) as image:
            if short_side is not None:
                require_shape(*image.size)
            if decoding == "published":
                return image.convert("RGB")
            if short_side is not None:
                _shrink(image, MARGIN * short_side)
            return as_seen(image)
    except MemoryError:
        raise
    except Exception as error:  # decoders raise nearly anything on garbage: struct, zlib, Syntax...
        path = source if isinstance(source, Path) else getattr(source, "path", None)
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "of no known format" if unknown and not isinstance(source, Path) else error
        if path is None:
            raise DataError(f"these bytes cannot be read as an image ({reason})") from error
        raise _unreadable(path, reason) from error


def require_size(source: BinaryIO, most_pixels: int) -> None:
    """Refuse an image file by its header, before any of it is decoded.

    Args:
        source: its bytes; read from the beginning, and left there.
        most_pixels: width times height at most.

    Raises:
        DataError: it has more pixels, or is none of `FORMATS`.
    """
    try:
        with Image.open(source, formats=FORMATS) as image:
            pixels = image.width * image.height
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        pixels = None  # beyond Pillow's own limit, which tells no number
    except Exception as error:  # as in read_rgb
        raise DataError(
            f"these bytes cannot be read as an image (none of {', '.join(FORMATS)}, or damaged)"
        ) from error
    finally:
        source.seek(0)
    if pixels is None or pixels > most_pixels:
        size = f"{pixels:,}" if pixels else f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,}"
        raise DataError(f"the image has {size} pixels, {most_pixels:,} are allowed; shrink it")


def _unreadable(path: Path, reason: object) -> DataError:
    return DataError(f"cannot read {path} ({reason}): replace the file or remove it from the set")


def open_image(source: Path | BinaryIO) -> Image.Image:
    """Open an image; a JPEG above Pillow's limit of pixels is opened at an eighth of its size.

    That limit (twice `Image.MAX_IMAGE_PIXELS`, 179 million) keeps small files from filling the
    memory; an eighth of the largest JPEG there can be is far below it.

    Raises:
        OSError, SyntaxError, ...: as `PIL.Image.open`.
        ValueError: there are more pixels than the limit, and it is no JPEG that can hold them, or
            it is PostScript, which another program would have to run.
    """
    try:
        image = Image.open(source)
        if image.format == "EPS":
            image.close()
            raise ValueError("it is PostScript, which would start Ghostscript; save it as PNG")
        return image
    except Image.DecompressionBombError as error:
        if not isinstance(source, Path):
            source.seek(0)
        try:
            image = JpegImageFile(source)
        except SyntaxError:
            raise ValueError(
                f"more pixels than the limit of {2 * (Image.MAX_IMAGE_PIXELS or 0):,}; "
                "make it smaller or save it as JPEG"
            ) from error
        pixels = image.width * image.height
        size = source.stat().st_size if isinstance(source, Path) else source.seek(0, os.SEEK_END)
        if pixels > PIXELS_PER_BYTE * size:
            raise ValueError(f"{size:,} bytes cannot hold {pixels:,} pixels") from error
        image.draft(None, (1, 1))
        return image


def require_shape(width: int, height: int) -> None:
    """Raise ValueError for a strip, see `LONGEST_RATIO`."""
    if max(width, height) > LONGEST_RATIO * min(width, height):
        raise ValueError(
            f"{width:,} x {height:,} pixels are a strip of more than {LONGEST_RATIO}:1; cut it"
        )


def _shrink(image: Image.Image, short_side: int) -> None:
    """Decode a JPEG at the smallest scale whose short side is at least `short_side`.

    Only scales that divide both sides are used, as they divide the sizes of most cameras: otherwise
    the last row and column would cover fewer pixels, and the picture be shifted.
    """
    width, height = image.size
    for scale in (8, 4, 2):
        if min(width, height) >= scale * short_side and width % scale == height % scale == 0:
            image.draft(None, (width // scale, height // scale))  # does nothing if not a JPEG
            return


def as_seen(image: Image.Image) -> Image.Image:
    """Return RGB as a viewer shows it.

    A picture is not copied as a whole more often than need be.

    Raises:
        ValueError: pixels are fractions, or have more than 16 bits.
        OSError, SyntaxError, ...: as Pillow's decoders.
    """
    image.load()
    # An EXIF that cannot be read turns nothing; one that cannot be written again has turned it.
    with suppress(AttributeError, KeyError, SyntaxError, TypeError, ValueError, struct.error):
        ImageOps.exif_transpose(image, in_place=True)
    if image.mode == "F":
        raise ValueError("its pixels are fractions of unknown range; save it with 8 or 16 bits")
    if image.mode.startswith("I"):
        image = _eight_bits(image, image.info.get("transparency"))
    if not image.has_transparency_data:
        return image.convert("RGB")
    width, height = image.size
    seen = Image.new("RGB", image.size)
    for top in range(0, height, STRIP):
        colours = image.crop((0, top, width, min(top + STRIP, height))).convert("RGBA")
        paper = Image.new("RGBA", colours.size, "white")
        seen.paste(Image.alpha_composite(paper, colours).convert("RGB"), (0, top))
    return seen


def _eight_bits(image: Image.Image, transparent: int | None) -> Image.Image:
    """Return 16-bit grey in 8 bits, with white in the place of the grey that is transparent."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise ValueError("its pixels have more than 16 bits; save it with 8 or 16")
    return Image.fromarray(np.where(values == transparent, 0xFF, values >> 8).astype(np.uint8))
