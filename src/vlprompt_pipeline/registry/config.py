"""The parameters of registration, promotion and prediction."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from vlprompt_pipeline.parsing import Parameters, Several
from vlprompt_pipeline.rejection import RejectionParameters


class PromotionParameters(Parameters):
    """When the candidate becomes champion.

    Attributes:
        level: of the paired test.
        force: without the test; then `reason` says why, and is kept with the version.
    """

    level: float = Field(gt=0, lt=1)
    force: bool
    reason: str | None

    @model_validator(mode="after")
    def _explained(self) -> Self:
        if self.force and not (self.reason or "").strip():
            raise ValueError("force needs a reason, which is kept with the version: set reason")
        if self.reason and not self.force:
            raise ValueError("a reason is given but force is not: set force, or take reason away")
        return self


class RegistryParameters(Parameters):
    """How models are registered.

    Attributes:
        include_clip: whether the weights of the CLIP lie in every version, or are named there.
        check_images: test images that a packaged model must classify as the evaluation did.
        promote: see `PromotionParameters`.
        rejection: how a model says "none of these", see `RejectionParameters`.
    """

    include_clip: bool
    check_images: int = Field(ge=1)
    promote: PromotionParameters
    rejection: RejectionParameters


class PredictionParameters(Parameters):
    """A folder of images and a registered model.

    Attributes:
        images: the folder; its sub-folders too.
        model: `<dataset>.<method>@<alias>` or `<dataset>.<method>/<version>`.
        class_names: to tell apart instead of the model's own.
        top_k: labels for each image.
        accuracy: share of right answers wanted among the images that are given a label; none: the
            threshold that the model was registered with.
    """

    images: str | None
    model: str | None
    class_names: Annotated[tuple[str, ...], Several]
    top_k: int = Field(ge=1)
    accuracy: float | None = Field(default=None, gt=0, le=1)
