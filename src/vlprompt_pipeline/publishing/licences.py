"""The licences that a published prompt stands under: of its CLIP, and of the images it learned."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.image_datasets import get_image_dataset, is_named_dataset

# By pretrained tag, as those who trained them state it. What is not here has to be given.
_OF_TAGS = (
    (re.compile(r"openai"), "MIT (OpenAI's CLIP)"),
    (re.compile(r"laion|datacomp_|commonpool_"), "MIT (LAION, OpenCLIP)"),
    (re.compile(r"webli"), "Apache-2.0 (Google's SigLIP)"),
    (re.compile(r"metaclip_"), "CC-BY-NC-4.0 (Meta's MetaCLIP)"),
)


@dataclass(frozen=True)
class Licences:
    """What the model card states.

    Attributes:
        clip: of the frozen CLIP's weights.
        data: of the images that the prompt was trained on.
        prompt: of the prompt itself, an identifier of the hub such as `mit`; `other` for what
            follows from the two.
    """

    clip: str
    data: str
    prompt: str = "other"

    @classmethod
    def of(
        cls,
        clip_source: str,
        dataset: str,
        clip: str | None = None,
        data: str | None = None,
        prompt: str | None = None,
    ) -> Licences:
        """Take what is given, and look up the rest.

        Raises:
            ConfigError: a licence is neither given nor known.
        """
        return cls(clip or _of_clip(clip_source), data or _of_data(dataset), prompt or cls.prompt)


def _of_clip(source: str) -> str:
    if source == "embedded":
        return "MIT (trained by this project on rendered pictures)"
    tag = source.rpartition(":")[2] if source.startswith("open_clip:") else ""
    for pattern, licence in _OF_TAGS:
        if pattern.match(tag):
            return licence
    raise ConfigError(
        f"the licence of the CLIP {source} is not known here: look it up where the weights come "
        "from and give --clip-licence"
    )


def _of_data(dataset: str) -> str:
    if is_named_dataset(dataset):
        return get_image_dataset(dataset).licence
    raise ConfigError(
        f"the licence of the images of {dataset} is not known here: give --data-licence, such as "
        '"CC BY 4.0" or "own photos, all rights reserved"'
    )
