"""Domain generalisation (CoCoOp, CVPR 2022, section 4.3): the same classes in another look.

Prompts are trained on all classes of one dataset and scored on its shifted variants, each among
the classes that it shows.
"""

from __future__ import annotations

from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.image_datasets import list_image_datasets
from vlprompt_pipeline.protocols.base import register
from vlprompt_pipeline.protocols.targets import Transfer, TransferParameters

ALL_SHIFTS = "shifts"
"""In place of a list of targets: every shifted variant of the dataset."""


class DomainGeneralisation(Transfer):
    """Score on shifted variants of the dataset."""

    name = "domain_generalisation"
    title = "domain generalisation"
    printed = "domain_generalization_16shot_imagenet_vitb16"
    published_average = frozenset({"imagenet_v2", "imagenet_sketch", "imagenet_a", "imagenet_r"})

    def targets(
        self, section: TransferParameters, dataset: str, dataset_prefix: str
    ) -> tuple[str, ...]:
        """List the variants of `dataset`, or those of them that the section names."""
        variants: dict[str, list[str]] = {}
        for variant in list_image_datasets(dataset_prefix):
            if variant.shift_of:
                original = variant.shift_of.removeprefix(dataset_prefix)
                variants.setdefault(original, []).append(variant.name.removeprefix(dataset_prefix))
        shifts = variants.get(dataset, [])
        if not shifts:
            raise ConfigError(
                f"protocol {self.name}: {dataset} has no shifted variants; train on "
                f"{' or '.join(sorted(variants))}, or name targets in protocol cross_dataset"
            )
        if section.targets == ALL_SHIFTS:
            return tuple(shifts)
        if others := [name for name in section.target_names if name not in shifts]:
            raise ConfigError(
                f"{self.name}.targets: {others[0]} is no shifted variant of {dataset}; "
                f"those are {', '.join(shifts)}; other datasets are for protocol cross_dataset"
            )
        return super().targets(section, dataset, dataset_prefix)

    def trains_on(self, dataset: str) -> bool:
        """Tell whether a dataset has shifted variants."""
        every = (*list_image_datasets(), *list_image_datasets("miniature_"))
        return dataset in {variant.shift_of for variant in every}


register(DomainGeneralisation())
