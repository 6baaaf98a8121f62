"""What protocols with target datasets share."""

from __future__ import annotations

from typing import ClassVar

from pydantic import field_validator

from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.parsing import safe_in_paths
from vlprompt_pipeline.protocols.base import Protocol, ProtocolParameters


class TransferParameters(ProtocolParameters):
    """`targets` are scored beside the dataset's own test images, each among its own classes.

    A list of datasets, or on the command line names joined by `+`. `shifts` are the variants of the
    dataset that show the same classes in another look.
    """

    targets: tuple[str, ...] | str

    @field_validator("targets")
    @classmethod
    def _names_of_datasets(cls, targets: tuple[str, ...] | str) -> tuple[str, ...] | str:
        for name in _listed(targets):
            safe_in_paths(name)
        return targets

    @property
    def target_names(self) -> tuple[str, ...]:
        """The targets as a list."""
        return _listed(self.targets)


def _listed(targets: tuple[str, ...] | str) -> tuple[str, ...]:
    return tuple(targets.split("+")) if isinstance(targets, str) else targets


class Transfer(Protocol):
    """Score prompts of one dataset on others, too.

    Attributes:
        printed: the table of `published_results.csv` with results of 16 shots of ImageNet.
    """

    parameters = TransferParameters
    printed: ClassVar[str]

    def published_table(self, dataset: str, shots: int) -> str | None:
        """Name the table of 16 shots of ImageNet; none was printed of others."""
        return self.printed if (dataset, shots) == ("imagenet", 16) else None

    def targets(
        self, section: TransferParameters, dataset: str, dataset_prefix: str
    ) -> tuple[str, ...]:
        """List the section's targets, but not the dataset of training."""
        targets = tuple(n for n in dict.fromkeys(section.target_names) if n != dataset)
        if not targets:
            raise ConfigError(f"{self.name}.targets: no dataset besides {dataset}; name others")
        return targets
