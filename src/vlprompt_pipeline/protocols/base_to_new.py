"""Base-to-new generalisation (CoCoOp, CVPR 2022): train on some classes, score these and the rest.

Each subset is scored among its own classes, and the headline is the harmonic mean of the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from vlprompt_pipeline.image_datasets import PUBLISHED_BASE_SHARE, ClassSubsets, split_classes
from vlprompt_pipeline.protocols.base import Protocol, ProtocolParameters, register

_SHARE = "_share_"


class BaseToNewParameters(ProtocolParameters):
    """`base_share` is the share of the classes that are trained on, rounded up; published: 0.5."""

    base_share: float = Field(gt=0, lt=1)


class BaseToNew(Protocol):
    """Hold the classes behind the first share of them out."""

    name = "base_to_new"
    title = "base to new"
    parameters = BaseToNewParameters
    holds_classes_out = True

    def class_subsets(
        self, class_names: Sequence[str], section: BaseToNewParameters
    ) -> ClassSubsets:
        """Split the classes in label order."""
        return split_classes(class_names, section.base_share)._asdict()

    def label(self, settings: Mapping[str, Any]) -> str:
        """Name another share than the published one, which is another protocol."""
        share = settings.get("base_share", PUBLISHED_BASE_SHARE)
        return self.name if share == PUBLISHED_BASE_SHARE else f"{self.name}{_SHARE}{share}"

    def label_settings(self, label: str) -> dict[str, str]:
        """Return the share that a label names."""
        share = label.partition(_SHARE)[2]
        return {"base_share": share} if share else {}

    def published_table(self, dataset: str, shots: int) -> str | None:
        """Name the table of 16 shots; none was printed of others."""
        return "base_to_new_16shot_vitb16" if shots == 16 else None


register(BaseToNew())
