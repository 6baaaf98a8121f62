"""A file of which a part has arrived, and a note that says whether it can be continued."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from vlprompt_pipeline.filesystem.files import atomic_write


@dataclass(frozen=True)
class Origin:
    """The file on the server, as it was when the download began.

    Attributes:
        url: its address.
        validator: the server's strong tag or date of the content; "": it gave none.
        total: bytes of the whole file, if the server said so.
    """

    url: str
    validator: str
    total: int | None


@dataclass(frozen=True)
class PartialFile:
    """A partial file at `path`, with a note beside it."""

    path: Path

    @property
    def size(self) -> int:
        """Bytes that have arrived."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def origin(self, url: str) -> Origin | None:
        """Read the note on its origin; None if the file cannot be continued safely."""
        if not self.path.is_file():
            return None
        with suppress(OSError, ValueError, TypeError):  # no note, a broken or a foreign one
            origin = Origin(**json.loads(self._note.read_text(encoding="utf-8")))
            if origin.url == url and origin.validator:
                return origin
        return None

    def note_origin(self, origin: Origin) -> None:
        """Write the note, before the first byte."""
        with atomic_write(self._note) as path:
            path.write_text(json.dumps(asdict(origin)), encoding="utf-8")

    def finish(self, target: Path) -> None:
        """Give the whole file its name."""
        self.path.replace(target)
        self._note.unlink(missing_ok=True)

    def discard(self) -> None:
        """Delete what has arrived."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    @property
    def _note(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")
