"""From a published folder to a classifier."""

from __future__ import annotations

from pathlib import Path

from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.publishing.layout import CLIP_FOLDER, Manifest, verify_files
from vlprompt_pipeline.registry.classifier import FILES, INCLUDED, Classifier


def load_published(
    folder: Path, device: str = "auto", clip_source: str | None = None
) -> tuple[Classifier, Manifest]:
    """Load a folder that `write_publication` wrote, here or fetched, once it is verified.

    Args:
        folder: of the publication.
        device: as of `load_clip`.
        clip_source: where its CLIP lies, if not where the publication says.

    Raises:
        UserError: a file was changed or is absent, or the CLIP is not the one it belongs to.
    """
    manifest = Manifest.read(folder)
    verify_files(folder)
    source = clip_source or manifest.clip_source
    names = {**FILES, "clip": CLIP_FOLDER}
    files = {key: str(folder / name) for key, name in names.items() if (folder / name).exists()}
    for needed in ("card", "prompt", *(["clip"] if source == INCLUDED else [])):
        if needed not in files:
            raise PromptFileError(f"{folder} has no {names[needed]}: fetch or publish it again")
    return Classifier.load(files, source, device), manifest
