"""What fits next after a run, as commands that work when copied."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vlprompt_pipeline.hooks.same_texts import EMBEDDED
from vlprompt_pipeline.results.records import ZERO_SHOT
from vlprompt_pipeline.wording import command_parameters, join, program

_DEMOS = ("demo_flags", "demo_aerial")
"""Datasets that are made here; after a run of one the other is told of."""


class Invocation(NamedTuple):
    """A `kedro run` as the user typed it.

    Attributes:
        project: its folder.
        env: the configuration environment, or none.
        given: the values of `--params`.
        extensions: modules that register what it used.
    """

    project: Path
    env: str | None
    given: Mapping[str, Any]
    extensions: Sequence[str] = ()

    def again(
        self, pipeline: str = "", env: str | None = None, given: Mapping[str, Any] | None = None
    ) -> str:
        """Write the command, of another pipeline, environment or with other parameters."""
        words = ["python", "-m", "vlprompt_pipeline"]  # a folder without a project
        if (self.project / "pyproject.toml").is_file():
            words = [program(self.project, "kedro"), "run"]
        chosen = env or self.env
        words += [f"--env={chosen}"] if chosen and chosen != "local" else []
        words += [f"--pipelines={pipeline}"] if pipeline else []
        parameters = command_parameters(self.given if given is None else given)
        words += [f"--params={parameters}"] if parameters else []
        return shlex.join(words)


class Validated(NamedTuple):
    """A method with its right answers among the validation images of the few-shot set."""

    method: str
    title: str
    right: int
    images: int


def best_of(methods: Sequence[Validated]) -> Validated:
    """Return the method with the most right answers, of equals the first."""
    return max(methods, key=lambda method: method.right)


def recommendation(methods: Sequence[Validated]) -> str:
    """Recommend the method with the most right answers on validation images, in a sentence.

    Of equals the first one, as they stand in conf. Methods within one standard error of it are
    named: with so few images they may be as good (our choice).
    """
    best = best_of(methods)
    share = best.right / best.images
    error = math.sqrt(share * (1 - share) * best.images)
    near = [m for m in methods if m is not best and best.right - m.right <= error]
    beside = f"; {join([f'{m.title} ({m.right})' for m in near])} may be as good" if near else ""
    return (
        f"{best.title}, by {best.right} right answers on {best.images} validation images"
        f"{beside}; no test image was asked"
    )


def after_report(
    invocation: Invocation,
    parameters: Mapping[str, Any],
    validated: Sequence[Validated],
) -> dict[str, str]:
    """Say what fits after a run on own photos: the method to take, registration, real weights.

    Args:
        invocation: the run.
        parameters: all of its parameters.
        validated: its methods, where they have answers on validation images.
    """
    lines: dict[str, str] = {}
    given = dict(invocation.given)
    if validated:
        lines["take"] = recommendation(validated)
        best = best_of(validated).method
        # the first champion has to beat zero-shot CLIP, which is registered with it
        beside = [ZERO_SHOT] if ZERO_SHOT in parameters["methods"] else []
        chosen = "+".join(dict.fromkeys([*beside, best]))
        lines["next"] = invocation.again("register", given={**given, "methods": chosen})
    else:
        lines["next"] = invocation.again("register")
    if parameters["clip"]["source"] == EMBEDDED:
        kept = {key: value for key, value in given.items() if key not in ("clip", "methods")}
        lines["weights"] = (
            "the embedded CLIP has seen no photograph; with real weights: "
            f"{invocation.again(env='photos', given=kept)}"
        )
    return lines


def after_cell(invocation: Invocation, dataset: str, seed: int) -> dict[str, str]:
    """Say how another dataset that needs no download is run, and of others another seed."""
    given = dict(invocation.given)
    if dataset in _DEMOS:
        given = {key: value for key, value in given.items() if key not in ("seed", "methods")}
        given["dataset"] = next(name for name in _DEMOS if name != dataset)
    else:
        given["seed"] = seed + 1
    return {"next": f"{invocation.again(given=given)} (more: docs/README.md)"}


def after_registration(
    invocation: Invocation, models: Mapping[str, str], validated: Sequence[Validated]
) -> dict[str, str]:
    """Say how a candidate becomes champion, and how one labels photos.

    Args:
        invocation: the registration.
        models: names of the registered models by method; of the last one where none is validated.
        validated: methods with their right answers on validation images.
    """
    registered = [result for result in validated if result.method in models]
    best = best_of(registered).method if registered else list(models)[-1]
    lines = {"label": _predict(invocation, f"{models[best]}@candidate")}
    if best == ZERO_SHOT:  # what a first champion has to beat: there is nothing that it could beat
        return lines
    promotion = invocation.again("promote", given={**invocation.given, "methods": best})
    return {"next": promotion, **lines}


def after_promotion(invocation: Invocation, models: Sequence[str]) -> dict[str, str]:
    """Say how a champion labels photos."""
    return {"label": _predict(invocation, f"{models[-1]}@champion")}


def _predict(invocation: Invocation, model: str) -> str:
    vlprompt = program(invocation.project, "vlprompt")
    if invocation.extensions:
        vlprompt += f" --extensions={'+'.join(invocation.extensions)}"
    return f"{vlprompt} predict FOLDER --model {model} --out labels.csv"
