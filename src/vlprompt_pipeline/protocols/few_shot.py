"""Few-shot learning (CoOp, IJCV 2022): train and score on all classes, with 1 to 16 shots."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from vlprompt_pipeline.protocols.base import (
    PUBLISHED_DATASETS,
    Protocol,
    ProtocolParameters,
    register,
)


class FewShotParameters(ProtocolParameters):
    """`curve` are the shots of a sweep."""

    unless_said = ProtocolParameters.unless_said | {"curve"}

    curve: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]


class FewShot(Protocol):
    """Show accuracy over shots."""

    name = "few_shot"
    title = "few-shot"
    parameters = FewShotParameters
    shots_side_by_side = True
    published_average = PUBLISHED_DATASETS - {"imagenet"}  # ProText's Table 6

    def sweep_shots(self, section: FewShotParameters) -> tuple[int, ...]:
        """List the shots of the curve."""
        return section.curve

    def published_table(self, dataset: str, shots: int) -> str | None:
        """Name the table of zero-shot, the only one of all classes, which no shots change."""
        return "zero_shot_all_classes_vitb16"


register(FewShot())
