"""Where things lie in a published folder, and how they are verified."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.filesystem.files import read_hashes, sha256_file
from vlprompt_pipeline.parsing import Frozen, first_fault

FORMAT = "vlprompt_pipeline.published_prompt.1"
HUB = "hf-hub:"
"""What the address of a model on the hub begins with."""
MANIFEST = "vlprompt.json"
HASHES = "SHA256SUMS"
CLIP_FOLDER = "clip"
EXAMPLE, README = "classify.py", "README.md"


class Manifest(Frozen):
    """What `vlprompt.json` says.

    Attributes:
        format: `FORMAT`.
        name, version: of the registered model.
        clip_source: as `clip.source`, or `included` for the folder `clip`.
        tags: of the version: its cell, scores and hashes.
    """

    format: str
    name: str
    version: str
    clip_source: str
    tags: dict[str, str]

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the file.

        Raises:
            PromptFileError: absent, or of another format.
        """
        written = _format_of(folder)
        if written not in (None, FORMAT):  # whose other values may be others, too
            raise PromptFileError(
                f"{folder} is a published prompt of the format {written}, this program "
                f"reads {FORMAT}: use the vlprompt_pipeline that wrote it"
            )
        try:
            return cls.model_validate_json((folder / MANIFEST).read_bytes())
        except (OSError, ValidationError) as error:
            reason = first_fault(error) if isinstance(error, ValidationError) else error
            raise PromptFileError(
                f"{folder} holds no published prompt ({MANIFEST}: {reason}): "
                "name one that vlprompt publish wrote"
            ) from None


def is_published_prompt(folder: Path) -> bool:
    """Tell whether `write_publication` wrote a folder, in any of its formats."""
    return (_format_of(folder) or "").startswith(FORMAT.rpartition(".")[0])


def _format_of(folder: Path) -> str | None:
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    written = content.get("format") if isinstance(content, dict) else None
    return written if isinstance(written, str) else None


def verify_files(folder: Path) -> None:
    """Compare all files of a folder that are there with `SHA256SUMS`.

    README.md may have been edited since, on the hub's own page, and a download leaves notes.

    Raises:
        PromptFileError: there is no list, or a file was changed or is not in it; names the file.
    """
    try:
        hashes = read_hashes(folder / HASHES)
    except (OSError, UnicodeDecodeError):
        raise PromptFileError(
            f"{folder} has no {HASHES}, so that nothing in it can be verified: name a model that "
            "vlprompt publish or vlprompt export wrote"
        ) from None
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name in (HASHES, README, ".gitattributes") or name.startswith(".cache/"):
            continue
        if name not in hashes:
            raise PromptFileError(
                f"{name} of {folder} is not in {HASHES}, so it was added later: nothing of it is "
                "used; publish the model again"
            )
        if sha256_file(path) != hashes[name]:
            raise PromptFileError(
                f"{name} of {folder} was changed since it was published: nothing of it is used; "
                "fetch or publish it again"
            )
