"""Cross-dataset transfer (CoCoOp, CVPR 2022, section 4.2): the same prompts on other datasets.

Prompts are trained on all classes of one dataset, and each target is scored among the target's own
class names.
"""

from __future__ import annotations

from vlprompt_pipeline.protocols.base import PUBLISHED_DATASETS, register
from vlprompt_pipeline.protocols.targets import Transfer


class CrossDataset(Transfer):
    """Score on the datasets that are listed."""

    name = "cross_dataset"
    title = "cross-dataset"
    printed = "cross_dataset_16shot_imagenet_vitb16"
    published_average = PUBLISHED_DATASETS - {"imagenet"}


register(CrossDataset())
