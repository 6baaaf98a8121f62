"""A cell that was run again beside the cell that is stored: what is equal, and why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from pydantic import computed_field
from torch import Tensor

from vlprompt_pipeline.methods.trained import TrainedPrompt
from vlprompt_pipeline.parsing import Frozen
from vlprompt_pipeline.reproducibility.differences import differences
from vlprompt_pipeline.reproducibility.environment import Environment
from vlprompt_pipeline.reproducibility.record import Hashes, Record

_KEY = ["half", "path"]
_EXAMPLES = 5  # images answered differently that are named


class Tensors(Frozen):
    """How the trained tensors of two runs compare.

    Attributes:
        identical: whether all of them have the same bits.
        max_difference: the largest between two values, none where names or shapes differ.
    """

    identical: bool
    max_difference: float | None = None


class Answers(Frozen):
    """How the predicted classes of test images compare; `different` names a few that differ."""

    images: int
    equal: int
    different: tuple[str, ...] = ()


class MethodComparison(Frozen):
    """A method of the cell, as stored and as made again.

    Attributes:
        made_from: whether weights, split, few-shot set and recipe are the same, by hash.
        tensors: of the trained prompt.
        packed_prompt: whether the file that ships has the same bytes.
        answers: by dataset, the cell's own and its targets.
        metrics: those that differ, then and now.
        differences: between the run that is stored and this one in parameters, versions, code,
            machine and settings, then and now.
    """

    method: str
    made_from: dict[str, bool]
    tensors: Tensors
    packed_prompt: bool
    answers: dict[str, Answers]
    metrics: dict[str, tuple[Any, Any]]
    differences: dict[str, tuple[Any, Any]]

    @computed_field
    @property
    def same(self) -> bool:
        """Tell whether everything except seconds was made again, bit for bit."""
        made = all(self.made_from.values()) and self.tensors.identical and self.packed_prompt
        return made and self.same_answers and not self.metrics

    @property
    def same_answers(self) -> bool:
        """Tell whether every image has the class that it had before."""
        return all(given.equal == given.images for given in self.answers.values())

    def told(self) -> str:
        """Say what is equal and what is not, in a line."""
        images = sum(given.images for given in self.answers.values())
        if self.same:
            return f"same: tensors and packed prompt bit for bit, {images} answers, all metrics"
        equal = sum(given.equal for given in self.answers.values())
        parts = [f"{name} is another" for name, same in self.made_from.items() if not same]
        if not self.tensors.identical:
            most = self.tensors.max_difference
            parts.append("other tensors" if most is None else f"tensors differ by up to {most:.1e}")
        parts.append("packed prompt " + ("equal" if self.packed_prompt else "differs"))
        parts.append(f"{equal} of {images} answers equal")
        accuracies = [key for key in self.metrics if key.endswith("accuracy")]
        parts += [_then_and_now(key, *self.metrics[key]) for key in accuracies]
        if others := len(self.metrics) - len(accuracies):
            parts.append(f"other metrics: {others} differ")
        return "; ".join(parts)


class Verification(Frozen):
    """All methods of a cell, and where they were made again."""

    cell: dict[str, Any]
    methods: tuple[MethodComparison, ...]
    environment: Environment

    @computed_field
    @property
    def same(self) -> bool:
        """Tell whether every method was made again."""
        return all(compared.same for compared in self.methods)

    def text(self) -> str:
        """Write a line a method, then what may be the reason where something differs."""
        width = max(len(compared.method) for compared in self.methods)
        name = "verify: {dataset}, {protocol}, shots {shots}, seed {seed}, CLIP {clip}"
        lines = [name.format(**self.cell)]
        lines += [f"  {compared.method:<{width}}  {compared.told()}" for compared in self.methods]
        if self.same:
            return "\n".join([*lines, "The cell was made again, bit for bit."])
        answers = all(compared.same_answers for compared in self.methods)
        how = "bit for bit, but every answer is the same" if answers else "with the same answers"
        lines += [f"The cell was not made again {how}.", "Between the stored run and this one:"]
        reasons = {
            _then_and_now(key, *both): None
            for compared in self.methods
            if not compared.same
            for key, both in compared.differences.items()
        }
        unknown = "nothing that is recorded differs: something is not deterministic"
        return "\n".join([*lines, *(f"  {reason}" for reason in reasons or [unknown])])


@dataclass(frozen=True)
class Outputs:
    """What a run leaves of a method.

    Attributes:
        prompt: the trained prompt.
        packed: bytes of the packed prompt.
        predictions: by dataset, one row an image; empty where the method has no answer.
        metrics: by dataset.
    """

    prompt: TrainedPrompt
    packed: bytes
    predictions: Mapping[str, pd.DataFrame]
    metrics: Mapping[str, Mapping[str, Any]]


def compare_method(
    record: Record, then: Outputs, now: Outputs, parameters: Mapping[str, Any], here: Environment
) -> MethodComparison:
    """Compare what is stored with what was made again, with `parameters` and in `here`."""
    hashes = Hashes.of(now.prompt).model_dump()
    return MethodComparison(
        method=record.method,
        made_from={name: hashes[name] == value for name, value in record.hashes if value},
        tensors=_tensors(then.prompt.state, now.prompt.state),
        packed_prompt=then.packed == now.packed,
        answers={
            dataset: _answers(predictions, now.predictions[dataset])
            for dataset, predictions in then.predictions.items()
            if len(predictions)
        },
        metrics=differences(then.metrics, now.metrics),
        differences=_since(record, parameters, here),
    )


def _tensors(then: Mapping[str, Tensor], now: Mapping[str, Tensor]) -> Tensors:
    if {name: _form(t) for name, t in then.items()} != {name: _form(t) for name, t in now.items()}:
        return Tensors(identical=False)
    pairs = [(then[name].cpu(), now[name].cpu()) for name in then]
    unequal = [(old, new) for old, new in pairs if not torch.equal(_bits(old), _bits(new))]
    gaps = [(old.double() - new.double()).abs().max().item() for old, new in unequal]
    return Tensors(identical=not unequal, max_difference=max(gaps, default=0.0))


def _form(tensor: Tensor) -> tuple[torch.dtype, torch.Size]:
    return tensor.dtype, tensor.shape


def _bits(tensor: Tensor) -> Tensor:
    """View a tensor as bytes: a NaN equals itself, and zero is not minus zero."""
    return tensor.contiguous().reshape(-1).view(torch.uint8)


def _answers(then: pd.DataFrame, now: pd.DataFrame) -> Answers:
    both = [table.set_index(_KEY)["prediction"].rename(n) for n, table in enumerate((then, now))]
    joined = pd.concat(both, axis=1)
    different = joined.index[joined[0] != joined[1]]  # an image that one side lacks is a NaN
    named = tuple(path for _, path in different[:_EXAMPLES])
    return Answers(images=len(joined), equal=len(joined) - len(different), different=named)


def _since(
    record: Record, parameters: Mapping[str, Any], here: Environment
) -> dict[str, tuple[Any, Any]]:
    now = {"parameters": parameters, **here.model_dump(mode="json")}
    changed: dict[str, tuple[Any, Any]] = {}
    for run in record.runs:
        then = {"parameters": run.parameters, **run.environment.model_dump(mode="json")}
        changed = {**differences(then, now), **changed}
    return changed


def _then_and_now(key: str, then: Any, now: Any) -> str:
    return f"{key}: {_short(then)} then, {_short(now)} now"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
