"""Limits on what a server of a model takes in one request."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from io import BytesIO
from typing import Self

from vlprompt_pipeline.errors import ConfigError, DataError
from vlprompt_pipeline.images import require_size
from vlprompt_pipeline.wording import human_bytes

ENVIRONMENT = "VLPROMPT_MAX_"
NAME_LENGTH = 200  # characters of a class name from a request: our choice


class RequestTooLargeError(DataError):
    """A request as a whole is larger than is allowed."""


@dataclass(frozen=True)
class RequestLimits:
    """What one request may hold. The defaults are our choice.

    Attributes:
        pixels: of an image, by its header, before it is decoded. Decoding takes about 10 bytes a
            pixel.
        rows: images.
        bytes: of the whole request; where another server has read it already, of its images.
        classes: class names given with a request; text features of others are computed for them.
    """

    pixels: int = 50_000_000
    rows: int = 64
    bytes: int = 32_000_000
    classes: int = 1000

    @classmethod
    def from_environment(cls) -> Self:
        """Read `VLPROMPT_MAX_PIXELS`, `_ROWS`, `_BYTES` and `_CLASSES`, where they are set.

        Raises:
            ConfigError: one is no whole number above 0.
        """
        given = {}
        for field in fields(cls):
            variable = f"{ENVIRONMENT}{field.name.upper()}"
            text = os.environ.get(variable)
            if text is None:
                continue
            if not (text.isascii() and text.isdigit() and int(text) > 0):
                raise ConfigError(f"{variable} is {text!r}: give a whole number above 0")
            given[field.name] = int(text)
        return cls(**given)

    def require_rows(self, images: int) -> None:
        """Raise RequestTooLargeError for more images than are allowed."""
        if images > self.rows:
            raise RequestTooLargeError(
                f"the request holds {images:,} images, {self.rows:,} are allowed: send several "
                "requests"
            )

    def require_bytes(self, count: int) -> None:
        """Raise RequestTooLargeError for more bytes than are allowed."""
        if count > self.bytes:
            raise RequestTooLargeError(
                f"the request holds more than {human_bytes(self.bytes)}, which is the most that is "
                "allowed: send several requests, or smaller images"
            )

    def require_class_names(self, names: Sequence[object]) -> None:
        """Raise RequestTooLargeError for more or longer class names than are allowed."""
        if len(names) > self.classes:
            raise RequestTooLargeError(
                f"class_names holds {len(names):,} names, {self.classes:,} are allowed: give fewer"
            )
        if any(isinstance(name, str) and len(name) > NAME_LENGTH for name in names):
            raise RequestTooLargeError(
                f"class_names: a name has more than {NAME_LENGTH} characters"
            )

    def require_image(self, image: bytes) -> None:
        """Raise DataError for an image with more pixels than are allowed, or of a rare format."""
        require_size(BytesIO(image), self.pixels)

    def require_request(self, images: Sequence[object], class_names: Sequence[object]) -> None:
        """Raise RequestTooLargeError for a request that is too large as a whole."""
        self.require_rows(len(images))
        self.require_bytes(sum(len(each) for each in images if isinstance(each, bytes | str)))
        self.require_class_names(class_names)
