"""Print the results of a run at its end: the table, and where the files are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from kedro.framework.hooks import hook_impl

from vlprompt_pipeline.hooks.next_steps import (
    Invocation,
    Validated,
    after_cell,
    after_promotion,
    after_registration,
    after_report,
)
from vlprompt_pipeline.hooks.run_hook import RunHook
from vlprompt_pipeline.registry.place import tracking_uri, without_password

SHOWN = {"page": "report", "classes": "classes", "table": "table"}
"""Parts of the report, and what they are called where their files are named."""
TEXTS = {
    "data_check_text": ("whole", "data_check"),
    "rejection_text": ("figure", "rejection_figure"),
    "verification_text": ("whole", "verification"),
}
"""Texts that are printed as they are, each with what is named below it."""
BENCHMARK = (
    "benchmark_page",
    "benchmark_scores_csv",
    "benchmark_pairs",
    "benchmark_missing",
    "benchmark_latex",
    "benchmark_markdown",
)


class SummaryHook(RunHook):
    """Print the report of a run that made one."""

    @hook_impl(trylast=True)
    def after_pipeline_run(self, run_params: dict[str, Any], pipeline: Any, catalog: Any) -> None:
        """Print the text of the report, the files beside it and what to do next."""
        made = pipeline.all_outputs()
        given = _with_tracking(self._parameters["given"])
        invocation = Invocation(
            self._project, run_params.get("env"), given, self._parameters["extensions"]
        )
        self._print_texts(catalog, made)
        registered = self._registered(catalog, made)
        if registered:
            _print(after_registration(invocation, registered, self._validated(catalog)))
        if "promotions" in made:
            _print(after_promotion(invocation, [p["model"] for p in catalog.load("promotions")]))
        if "report" not in made:
            return
        parts = catalog.get("report").parts
        click.echo(f"\n{parts['text'].load()}")
        lines = {
            title: self._named(parts[name].filepath)
            for name, title in SHOWN.items()
            if name != "classes" or self._parameters["methods"]
        }
        if self._parameters["tracking"]["enabled"]:
            uri = tracking_uri(self._parameters["tracking"]["uri"], self._project)
            lines["runs"] = without_password(uri)
        if (self._project / "Makefile").is_file():
            lines["look"] = "make viz (the pipeline), make ui (the runs in MLflow)"
        if _is_own(self._parameters):
            lines |= after_report(invocation, self._parameters, self._validated(catalog))
        elif (self._project / "Makefile").is_file():
            lines |= after_cell(invocation, self._parameters["dataset"], self._parameters["seed"])
        _print(lines)

    def _print_texts(self, catalog: Any, made: set[str]) -> None:
        """Print what pipelines apart wrote for people, and where the rest is."""
        for name, (title, entry) in TEXTS.items():
            if name in made:
                click.echo(f"\n{catalog.load(name)}")
                click.echo(f"   {title}: {self._named(catalog.get(entry).filepath)}")
        if "analysis_page" in made:
            click.echo(f"\nanalysis: {self._named(catalog.get('analysis_page').filepath)}")
        if "benchmark_text" in made:
            click.echo(f"\n{catalog.load('benchmark_text')}")
            files = [self._named(catalog.get(name).filepath) for name in BENCHMARK if name in made]
            click.echo("".join(f"   {file}\n" for file in files))
        if "predicted_labels" in made:
            problems = int(catalog.load("predicted_labels")["problem"].notna().sum())
            note = f" ({problems} without a label, the column problem says why)" if problems else ""
            click.echo(f"\nlabels: {self._named(catalog.get('predicted_labels').filepath)}{note}")

    def _registered(self, catalog: Any, made: set[str]) -> dict[str, str]:
        """Map the methods that this run registered to the names of their models."""
        return {
            method: catalog.load(f"{method}.registration")["model"]
            for method in self._parameters["methods"]
            if f"{method}.registration" in made
        }

    def _validated(self, catalog: Any) -> list[Validated]:
        """List the methods of this run that have answers on validation images."""
        validated = []
        for method in self._parameters["methods"]:
            score = catalog.load(f"{method}.metrics").get("validation")
            if score:
                (result,) = catalog.load(f"{method}.record")["methods"]
                validated.append(
                    Validated(method, result["title"], score["correct"], score["total"])
                )
        return validated

    def _named(self, path: str | Path) -> str:
        """Return a path as it is typed in the project's folder."""
        path = Path(os.path.abspath(path))
        return str(path.relative_to(self._project) if path.is_relative_to(self._project) else path)


def _is_own(parameters: dict[str, Any]) -> bool:
    """Tell whether the dataset is of the user's own photos."""
    from vlprompt_pipeline.image_datasets import is_named_dataset

    return not is_named_dataset(f"{parameters['dataset_prefix']}{parameters['dataset']}")


def _with_tracking(given: dict[str, Any]) -> dict[str, Any]:
    """Return parameters that do not switch MLflow off, as the report of a sweep does.

    What is told of registers, promotes or trains again.
    """
    tracking = {key: value for key, value in given.get("tracking", {}).items() if key != "enabled"}
    return {**given, "tracking": tracking} if "tracking" in given else given


def _print(lines: dict[str, str]) -> None:
    click.echo("".join(f"{title:>8}: {text}\n" for title, text in lines.items()))
