"""What protocols with target datasets share."""

from __future__ import annotations

from collections.abc import Iterable

from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.protocols.base import ProtocolParameters


class TransferParameters(ProtocolParameters):
    """`targets` are scored beside the dataset's own test images, each among its own classes.

    A list of datasets, or on the command line names joined by `+`. `shifts` are the variants of the
    dataset that show the same classes in another look.
    """

    targets: tuple[str, ...] | str

    @property
    def target_names(self) -> tuple[str, ...]:
        """The targets as a list."""
        given = self.targets
        return tuple(given.split("+")) if isinstance(given, str) else given


def without_source(names: Iterable[str], dataset: str, protocol: str) -> tuple[str, ...]:
    """Return the names, each once, but for the dataset of training.

    Raises:
        ConfigError: none is left.
    """
    targets = tuple(name for name in dict.fromkeys(names) if name != dataset)
    if not targets:
        raise ConfigError(f"{protocol}.targets: no dataset besides {dataset}; name others")
    return targets
