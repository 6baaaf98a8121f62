"""A version in the registry, and the hashes of its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from mlflow.entities.model_registry import ModelVersion

HASHES = "files_sha256"  # a tag: SHA-256 of the files of a version, as JSON


class RegisteredVersion(NamedTuple):
    """A version in the registry, such as `demo_aerial.coop`, 3, and its tags."""

    name: str
    number: str
    tags: Mapping[str, str]

    @classmethod
    def of(cls, entity: ModelVersion) -> RegisteredVersion:
        """Take from MLflow's entity what is used here."""
        return cls(entity.name, str(entity.version), dict(entity.tags))

    def __str__(self) -> str:
        return f"{self.name} version {self.number}"

    @property
    def address(self) -> str:
        """Return the version as MLflow writes it behind `models:/`."""
        return f"{self.name}/{self.number}"

    @property
    def hashes(self) -> dict[str, str]:
        """Return the hashes of its files; none where another program registered it."""
        return json.loads(self.tags.get(HASHES, "{}"))
