"""A version in the registry, and the hashes of its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from mlflow.entities.model_registry import ModelVersion

HASHES = "files_sha256"  # a tag: SHA-256 of the files of a version, as JSON
_PROMPT = "artifacts/prompt.vlp"


class Found(NamedTuple):
    """A version in the registry, such as `demo_aerial.coop`, 3, and its tags."""

    name: str
    number: str
    tags: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.name} version {self.number}"

    @property
    def address(self) -> str:
        """Return the version as MLflow writes it behind `models:/`."""
        return f"{self.name}/{self.number}"


def hashes_of(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the hashes of a version's files; earlier releases stored the prompt's only."""
    if HASHES in tags:
        return json.loads(tags[HASHES])
    return {_PROMPT: tags["prompt_sha256"]} if "prompt_sha256" in tags else {}


def found_version(row: ModelVersion) -> Found:
    """Take from MLflow's entity what is used here."""
    return Found(row.name, str(row.version), dict(row.tags))
