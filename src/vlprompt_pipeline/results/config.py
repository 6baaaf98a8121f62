"""Which cells a comparison is asked for."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field

from vlprompt_pipeline.parsing import DatasetName, Parameters, Several
from vlprompt_pipeline.protocols import PROTOCOLS, find_protocol


def _known(protocol: str) -> str:
    if find_protocol(protocol) is None:
        raise ValueError(
            f"protocols are {', '.join(PROTOCOLS)}, and base_to_new_share_0.3 of another base_share"
        )
    return protocol


AXES = ("protocols", "datasets", "shots", "seeds", "methods")
ProtocolName = Annotated[str, AfterValidator(_known)]
_Value = TypeVar("_Value")
Axis = Annotated[Annotated[tuple[_Value, ...], Field(min_length=1)] | None, Several]
"""Some values, or none for those found on disk."""


class BenchmarkReportParameters(Parameters):
    """The asked grid, and what every method is tested against.

    Lists, or on the command line values joined by `+`; an axis without any has the values that are
    found on disk.

    Attributes:
        protocols: as in the parameter `protocol`; base-to-new with another share of base classes
            is named as its folders are.
        datasets: those that prompts are trained on.
        shots: labelled images a class.
        seeds: of the few-shot sets and of training.
        methods: names of recipes.
        against: names of recipes; every method is compared with each of these on the same images.
        sweep: how a command that makes a missing cell begins; a run adds its environment.
    """

    protocols: Axis[ProtocolName] = None
    datasets: Axis[DatasetName] = None
    shots: Axis[Annotated[int, Field(ge=1)]] = None
    seeds: Axis[Annotated[int, Field(ge=0)]] = None
    methods: Axis[str] = None
    against: Annotated[tuple[str, ...], Several]
    sweep: str

    @property
    def has_grid(self) -> bool:
        """Whether any axis was asked for."""
        return any(getattr(self, axis) is not None for axis in AXES)

    def without_grid(self, methods: Collection[str]) -> BenchmarkReportParameters:
        """Return the same tests over everything on disk, which has these methods."""
        against = tuple(name for name in self.against if name in methods)
        return self.model_copy(update={**dict.fromkeys(AXES), "against": against})

    def with_prefix(self, prefix: str) -> BenchmarkReportParameters:
        """Return the same with datasets named as in results, such as `miniature_dtd`."""
        datasets = self.datasets and tuple(f"{prefix}{name}" for name in self.datasets)
        return self.model_copy(update={"datasets": datasets})
