"""One file from an HTTP server: resumed where it was cut, checked before it has its name.

It is written here because no library at hand does all of this: huggingface_hub starts a file anew
in every process, fsspec and torchvision neither resume nor notice a file that changed meanwhile,
and pooch checks but does not resume.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import requests

from vlprompt_pipeline.errors import FetchError
from vlprompt_pipeline.fetching.checksum import Digests, digest_file
from vlprompt_pipeline.fetching.disk import require_room
from vlprompt_pipeline.fetching.partial_file import Origin, PartialFile
from vlprompt_pipeline.image_datasets import Checksum
from vlprompt_pipeline.progress import Progress, no_progress

logger = logging.getLogger(__name__)

_CHUNK = 1 << 16  # of a cut connection, requests loses what does not fill one
_MEGABYTE = 1_000_000
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}  # statuses that another try may mend
# How long to wait and how often to try is our choice.
_ATTEMPTS = 6  # tries in a row that bring less than a megabyte, before giving up
_TIMEOUT = 60.0  # seconds without a byte, or for a connection, that end a try
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # seconds; doubled for each further try


@dataclass(frozen=True)
class Remote:
    """A file on a server.

    Attributes:
        url: its address.
        checksum: as published; None: none is known.
        size: bytes, if known from elsewhere than the answer itself.
    """

    url: str
    checksum: Checksum | None = None
    size: int | None = None


class _CutError(Exception):
    """This try failed; another may succeed."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


def download(
    remote: Remote,
    target: Path,
    *,
    progress: Progress = no_progress,
    room_factor: float = 1.0,
) -> Digests:
    """Download `remote` to `target`, going on with `<target>.partial` where there is one.

    Args:
        remote: what to download.
        target: the finished file; it appears only when its size and checksum are right.
        progress: shows megabytes.
        room_factor: free disk that is needed, in sizes of the file; above 1 if it will be unpacked.

    Raises:
        FetchError: the server refuses, does not answer or sends something else, the checksum
            differs, or the disk is full. A partial download is kept for the next try.
    """
    partial = PartialFile(target.with_name(f"{target.name}.partial"))
    resumed = partial.path.is_file()
    while True:
        _transfer(remote, partial, progress, room_factor)
        digests = digest_file(partial.path)
        if remote.checksum is None or digests.fit(remote.checksum):
            partial.finish(target)
            return digests
        partial.discard()
        if not resumed:
            raise FetchError(
                f"{remote.url} has {digests.like(remote.checksum)}, published is "
                f"{remote.checksum}: it broke on its way or changed at its source; it was "
                "deleted, so try again, and look at the source if it stays so"
            )
        resumed = False  # once more from the start: the two parts may be of different files


def _transfer(remote: Remote, partial: PartialFile, progress: Progress, room_factor: float) -> None:
    """Complete `partial`, in several tries if need be."""
    failed, farthest = 0, partial.size
    while True:
        try:
            _attempt(remote, partial, progress, room_factor)
            return
        except _CutError as cut:
            reason, pause = str(cut), cut.pause
        except requests.RequestException as error:
            reason, pause = _root_reason(error), None
        except OSError as error:
            raise FetchError(f"cannot write {partial.path}: {error.strerror or error}") from error
        failed = 1 if partial.size - farthest >= _MEGABYTE else failed + 1
        farthest = max(farthest, partial.size)
        if failed >= _ATTEMPTS:
            kept = (
                f", {partial.size:,} bytes are kept and not fetched twice" if partial.size else ""
            )
            raise FetchError(
                f"{remote.url} did not arrive in {failed} tries ({reason}); check the network and "
                f"run again{kept}"
            )
        wait = _FIRST_PAUSE * 2 ** (failed - 1) if pause is None else pause
        wait = min(wait, _LONGEST_PAUSE)
        logger.warning("%s: %s; going on in %g s", remote.url, reason, wait)
        time.sleep(wait)


def _attempt(remote: Remote, partial: PartialFile, progress: Progress, room_factor: float) -> None:
    """Ask for the missing bytes in one connection, and append them."""
    origin = partial.origin(remote.url)
    arrived = partial.size if origin else 0
    if origin and arrived == origin.total:
        return
    headers = {"Accept-Encoding": "identity"}  # bytes as they are stored, so that they add up
    if arrived:
        # without If-Range, the end of a changed file would be appended to the old beginning
        headers |= {"Range": f"bytes={arrived}-", "If-Range": origin.validator}
    with requests.get(remote.url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
        start, total = _body_range(answer, remote, partial, arrived, origin)
        require_room(
            partial.path.parent, int((total or 0) * room_factor) - start, partial.path.name
        )
        with (
            partial.path.open("r+b" if start else "wb") as stream,
            progress(f"{partial.path.stem} (MB)", (total or 0) // _MEGABYTE) as advance,
        ):
            stream.truncate(start)
            # only now that old bytes are gone: after a kill, the note must not describe them
            partial.note_origin(Origin(remote.url, _validator(answer), total))
            stream.seek(start)
            arrived = start
            advance(arrived // _MEGABYTE)
            for chunk in answer.iter_content(_CHUNK):
                advance((arrived + len(chunk)) // _MEGABYTE - arrived // _MEGABYTE)
                arrived += len(chunk)
                if total is not None and arrived > total:
                    raise _CutError(f"more than the announced {total:,} bytes came")
                stream.write(chunk)
    if total is not None and partial.size != total:
        raise _CutError(f"it ended after {partial.size:,} of {total:,} bytes")


def _body_range(
    answer: requests.Response,
    remote: Remote,
    partial: PartialFile,
    arrived: int,
    origin: Origin | None,
) -> tuple[int, int | None]:
    """Return where the body begins and how long the whole file is; refuse a wrong answer."""
    status = answer.status_code
    if status == 416:  # more has arrived than there is now
        partial.discard()
        raise _CutError("the server has no bytes after those at hand")
    if status in _TRANSIENT:
        raise _CutError(f"HTTP {status}", _number(answer.headers.get("Retry-After")))
    if status not in (200, 206):
        hint = "; it asks for a login or a licence" if status in (401, 403) else ""
        raise FetchError(f"{remote.url} answers HTTP {status} {answer.reason}{hint}")
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        raise FetchError(
            f"{remote.url} answers with a web page in place of a file; open it in a browser to see "
            "what it asks for"
        )
    start, total = 0, _number(answer.headers.get("Content-Length"))
    if status == 206:
        start, total = _content_range(answer)
        if start != arrived or (origin and origin.total not in (None, total)):
            partial.discard()
            raise _CutError("the server sent another range than asked for")
    if remote.size is not None and total is not None and total != remote.size:
        partial.discard()
        raise FetchError(
            f"{remote.url} announces {total:,} bytes, but the file has {remote.size:,}; try again "
            "later or look at the source"
        )
    return start, remote.size if total is None else total


def _content_range(answer: requests.Response) -> tuple[int, int | None]:
    """Return `bytes 10-99/100` as (10, 100)."""
    span, _, total = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    start = _number(span.partition("-")[0])
    return (-1 if start is None else start), _number(total)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def _validator(answer: requests.Response) -> str:
    """Return a tag or date that identifies the content; a weak tag does not."""
    etag = answer.headers.get("ETag", "")
    strong = etag and not etag.startswith("W/")
    return etag if strong else answer.headers.get("Last-Modified", "")


def _root_reason(error: BaseException) -> str:
    """Return the reason under the layers of libraries, without their objects' addresses."""
    while error.args and isinstance(error.args[-1], BaseException):
        error = error.args[-1]
    reason = getattr(error, "reason", None)
    return _root_reason(reason) if isinstance(reason, BaseException) else str(error)
