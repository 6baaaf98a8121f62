"""Objects of a place by their URL, `s3://bucket/key`, through fsspec.

This is the only module that knows fsspec. It asks the place each time and remembers nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from vlprompt_pipeline.errors import PlaceError, UserError

_LIBRARIES = {
    "s3": "pip install 'vlprompt_pipeline[s3]'",
    "gs": "pip install gcsfs",
    "gcs": "pip install gcsfs",
    "abfs": "pip install adlfs",
    "az": "pip install adlfs",
}


@contextmanager
def file_system(url: str) -> Iterator[Any]:
    """Yield the fsspec file system of a place.

    Raises:
        PlaceError: any error of the file system within the context, as one sentence.
    """
    protocol = url.partition("://")[0]
    try:
        import fsspec  # noqa: PLC0415  (slow, and most runs have no place)

        options = {"use_listings_cache": False} if protocol in _LIBRARIES else {}
        yield fsspec.filesystem(protocol, **options)
    except UserError:
        raise
    except ImportError as error:
        library = _LIBRARIES.get(protocol, "install it")
        raise PlaceError(f"{url} needs a library that is not installed: {library}") from error
    except Exception as error:  # every backend has errors of its own
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise PlaceError(
            f"{url} does not answer as it should ({lines[0]}): check its name, and the credentials "
            "and the address in the environment (docs/places.md)"
        ) from error


def create(url: str, content: bytes) -> bool:
    """Put an object that is not there yet, by a conditional put (If-None-Match).

    Returns:
        Whether it was put; if not, it was there.
    """
    with file_system(url) as files:
        try:
            files.pipe_file(url, content, mode="create")
        except FileExistsError:
            return False
    return True


def put(url: str, content: bytes) -> None:
    """Put an object, or replace it."""
    with file_system(url) as files:
        files.pipe_file(url, content)


def read(url: str) -> bytes | None:
    """Read an object; None if there is none."""
    with file_system(url) as files:
        try:
            return files.cat_file(url)
        except FileNotFoundError:
            return None


def remove(*urls: str) -> None:
    """Remove objects; those that are gone are no error."""
    for url in urls:
        with file_system(url) as files, suppress(FileNotFoundError):
            files.rm_file(url)


def listed(folder: str) -> dict[str, dict[str, Any]]:
    """List all objects below a folder: URL to what the place says of each."""
    protocol = folder.partition("://")[0]
    with file_system(folder) as files:
        try:
            found = files.find(folder, detail=True)
        except FileNotFoundError:
            return {}
    return {f"{protocol}://{key.lstrip('/')}": info for key, info in found.items()}


def modified(url: str) -> float | None:
    """Return when an object was last put, in seconds of the place's clock; None if it is gone."""
    with file_system(url) as files:
        try:
            return files.modified(url).timestamp()
        except FileNotFoundError:
            return None


def require_place(location: str) -> None:
    """Refuse a place that does not answer, or whose bucket is not there, before anything runs."""
    protocol, _, key = location.partition("://")
    bucket = f"{protocol}://{key.partition('/')[0]}"
    with file_system(location) as files:
        if protocol not in _LIBRARIES:
            return
        try:
            files.info(bucket)  # `exists` says no of a server that is away, too
        except FileNotFoundError:
            raise PlaceError(
                f"there is no bucket {bucket}: make it, or mend the name {location}"
            ) from None
