"""Write the folder that is published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vlprompt_pipeline.clip.copying import copy_clip, write_for_open_clip
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.filesystem.files import atomic_folder, write_hashes
from vlprompt_pipeline.publishing.layout import (
    CLIP_FOLDER,
    EXAMPLE,
    FORMAT,
    HASHES,
    MANIFEST,
    README,
    Manifest,
    is_published_prompt,
)
from vlprompt_pipeline.publishing.licences import Licences
from vlprompt_pipeline.publishing.model_card import model_card
from vlprompt_pipeline.registry.classifier import FILES, INCLUDED, Classifier
from vlprompt_pipeline.templates import templates_of

EMBEDDED = "embedded"  # the CLIP that is part of this project


@dataclass(frozen=True)
class Publication:
    """What is published: a version of a registered model.

    Attributes:
        name, version: of the model, such as `demo_aerial.qcoop` and 3.
        tags: of the version: its cell, scores and hashes.
        classifier: the model itself.
    """

    name: str
    version: str
    tags: Mapping[str, str]
    classifier: Classifier

    @property
    def clip_source(self) -> str:
        """Where others get the CLIP from; `included` where they cannot."""
        source = self.classifier.clip.source
        return source if source.startswith((EMBEDDED, "open_clip:", "hf-hub:")) else INCLUDED


def write_publication(
    publication: Publication,
    folder: Path,
    licences: Licences,
    repository: str = "<owner>/<name>",
    include_clip: bool = False,
) -> None:
    """Write the folder, whole or not at all; an earlier publication in its place is replaced.

    Args:
        publication: what it holds.
        folder: absent, empty, or an earlier publication.
        licences: for the model card.
        repository: of the hub, for the model card.
        include_clip: with the weights of a CLIP of this machine alone.

    Raises:
        UserError: the folder holds something else.
        ConfigError: others could not get the CLIP.
    """
    model, included = publication.classifier, publication.clip_source == INCLUDED
    if included and not include_clip:
        raise ConfigError(
            f"the CLIP of this prompt lies on this machine alone ({model.clip.source}): give "
            "--include-clip to publish its weights too, if their licence allows that, or train "
            "with one of open_clip or the hub"
        )
    with atomic_folder(folder, is_published_prompt, "a published prompt") as staging:
        manifest = Manifest(
            format=FORMAT,
            name=publication.name,
            version=publication.version,
            clip_source=publication.clip_source,
            tags=_shown(publication.tags),
        )
        _write(staging / MANIFEST, json.dumps(manifest.model_dump(), indent=1))
        model.write(staging)
        if included:
            copy_clip(model.clip.source, staging / CLIP_FOLDER)
        if publication.clip_source == EMBEDDED:  # which open_clip does not have
            write_for_open_clip(EMBEDDED, staging / CLIP_FOLDER)
        if runs_on_open_clip(publication):
            _write(staging / EXAMPLE, _example(publication))
        write_hashes(staging, HASHES)
        text = model_card(publication, licences, repository, runs_on_open_clip(publication))
        _write(staging / README, text)


def runs_on_open_clip(publication: Publication) -> bool:
    """Tell whether open_clip alone is enough: text features of classes, and its preparation."""
    model = publication.classifier
    return model.head is not None and model.clip.preprocessing.library == "open_clip"


def _example(publication: Publication) -> str:
    """Write the example that needs open_clip alone."""
    source = publication.clip_source
    if source in (INCLUDED, EMBEDDED):
        created = f"f\"local-dir:{{HERE / '{CLIP_FOLDER}'}}\""
    elif source.startswith("hf-hub:"):
        created = repr(source)
    else:
        _, model, tag = source.split(":")
        created = f'"{model}", pretrained="{tag}"'
    template = templates_of("publishing").get_template(f"{EXAMPLE}.j2")
    return template.render(
        created=created, head=FILES["head"], decoding=publication.classifier.card.decoding
    )


def _shown(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of the version but those that speak of files of the registry."""
    return {key: value for key, value in sorted(tags.items()) if not key.startswith("files_")}


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
