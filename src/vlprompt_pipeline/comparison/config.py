"""Which cells a comparison is asked for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from vlprompt_pipeline.config import DatasetName, Parameters, Several

Protocol = Literal["base_to_new", "few_shot", "cross_dataset", "domain_generalisation"]


class BenchmarkReportParameters(Parameters):
    """The asked grid, and what every method is tested against.

    Lists, or on the command line values joined by `+`; an axis without any has the values that are
    found on disk.

    Attributes:
        protocols: as in the parameter `protocol`.
        datasets: those that prompts are trained on.
        shots: labelled images a class.
        seeds: of the few-shot sets and of training.
        methods: names of recipes.
        against: names of recipes; every method is compared with each of these on the same images.
        sweep: how a command that makes a missing cell begins, its environment with it.
    """

    protocols: Annotated[tuple[Protocol, ...] | None, Several] = None
    datasets: Annotated[tuple[DatasetName, ...] | None, Several] = None
    shots: Annotated[tuple[Annotated[int, Field(ge=1)], ...] | None, Several] = None
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...] | None, Several] = None
    methods: Annotated[tuple[str, ...] | None, Several] = None
    against: Annotated[tuple[str, ...], Several]
    sweep: str
