"""Take an image out of a request: bytes, base64 or a data-URL, and nothing else."""

from __future__ import annotations

import base64
import re
from types import NoneType

from vlprompt_pipeline.errors import DataError

_DATA_URL = re.compile(r"data:[\w.+/-]*(;[\w=.+-]+)*,", re.ASCII)
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PATH = re.compile(r"(~?/|\.{1,2}/|[A-Za-z]:\\).*|.*\.[A-Za-z]{3,4}", re.DOTALL)
_LONGEST_PATH = 4096
_JSON = {
    NoneType: "empty",
    bool: "a truth value",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
}
"""What JSON may hold in place of an image, as its senders call it."""
_PPM = re.compile(rb"P[1-6]\s")


def image_bytes(image: object) -> bytes:
    """Take the bytes of an image file from what a request holds: bytes, base64 or a data-URL.

    Raises:
        DataError: it is something else; files and addresses are not opened.
    """
    if isinstance(image, bytearray | memoryview):
        image = bytes(image)
    # a dark picture may be ASCII throughout: as PPM, or in a format that has zeros in its header
    if isinstance(image, bytes) and (not image.isascii() or b"\0" in image or _PPM.match(image)):
        return image
    if not isinstance(image, bytes | str):
        raise DataError(
            f"this is {_described(image)}: give the bytes of an image file, or their base64"
        )
    # MLflow hands some base64 over as bytes
    text = image.decode("ascii") if isinstance(image, bytes) else image
    return _decoded(text)


def _decoded(text: str) -> bytes:
    if _ADDRESS.match(text):
        raise DataError(
            "this is an address: send the image itself, as bytes or base64; none is fetched"
        )
    if data_url := _DATA_URL.match(text):
        if not data_url.group().endswith(";base64,"):
            raise DataError("this data-URL is not base64: write data:image/png;base64,…")
        text = text[data_url.end() :]
    try:
        # MIME and the command `base64` break it into lines
        return base64.b64decode("".join(text.splitlines()), validate=True)
    except ValueError as error:
        if len(text) <= _LONGEST_PATH and _PATH.fullmatch(text):
            raise DataError(
                "this looks like a path: send the image itself, as bytes or base64; no file is "
                "opened"
            ) from None
        raise DataError(f"this text is not base64 of an image file ({error})") from None


def _described(value: object) -> str:
    kind = type(value)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    return _JSON.get(kind, f"a {name}")
