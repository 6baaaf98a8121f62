"""Cross-dataset transfer (CoCoOp, CVPR 2022, section 4.2): the same prompts on other datasets.

Prompts are trained on all classes of one dataset, and each target is scored among the target's own
class names.
"""

from __future__ import annotations

from vlprompt_pipeline.protocols.base import PUBLISHED_DATASETS, Protocol, register
from vlprompt_pipeline.protocols.targets import TransferParameters, without_source


class CrossDataset(Protocol):
    """Score on the datasets that are listed."""

    name = "cross_dataset"
    title = "cross-dataset"
    parameters = TransferParameters
    published_average = PUBLISHED_DATASETS - {"imagenet"}

    def targets(
        self, section: TransferParameters, dataset: str, dataset_prefix: str
    ) -> tuple[str, ...]:
        """List them all, but for the source."""
        return without_source(section.target_names, dataset, self.name)

    def published_table(self, dataset: str, shots: int) -> str | None:
        """Name the table of 16 shots of ImageNet; none was printed of others."""
        trained = (dataset, shots) == ("imagenet", 16)
        return "cross_dataset_16shot_imagenet_vitb16" if trained else None


register(CrossDataset())
