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
    after_promotion,
    after_registration,
    after_report,
)
from vlprompt_pipeline.registry.place import tracking_uri

SHOWN = {"report_page": "report", "report_table": "table"}
BENCHMARK = (
    "benchmark_page",
    "benchmark_scores_csv",
    "benchmark_pairs",
    "benchmark_missing",
    "benchmark_latex",
    "benchmark_markdown",
)


class SummaryHook:
    """Print the report of a run that made one."""

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Remember where paths are relative to, and where runs are recorded."""
        self._project = Path(context.project_path)
        self._parameters = context.config_loader["parameters"]
        self._tracking = self._parameters["tracking"]

    @hook_impl(trylast=True)
    def after_pipeline_run(self, run_params: dict[str, Any], pipeline: Any, catalog: Any) -> None:
        """Print the table of `report_text`, the files beside it and what to do next."""
        made = pipeline.all_outputs()
        invocation = Invocation(self._project, run_params.get("env"), self._parameters["given"])
        if "data_check_text" in made:
            click.echo(f"\n{catalog.load('data_check_text')}")
            click.echo(f"   whole: {self._relative(catalog, 'data_check')}")
        if "analysis_page" in made:
            click.echo(f"\nanalysis: {self._relative(catalog, 'analysis_page')}")
        if "benchmark_text" in made:
            click.echo(f"\n{catalog.load('benchmark_text')}")
            files = [self._relative(catalog, name) for name in BENCHMARK if name in made]
            click.echo("".join(f"   {file}\n" for file in files))
        if "verification_text" in made:
            click.echo(f"\n{catalog.load('verification_text')}")
            click.echo(f"   whole: {self._relative(catalog, 'verification')}")
        if "predicted_labels" in made:
            problems = int(catalog.load("predicted_labels")["problem"].notna().sum())
            note = f" ({problems} without a label, the column problem says why)" if problems else ""
            click.echo(f"\nlabels: {self._relative(catalog, 'predicted_labels')}{note}")
        registered = [name for name in sorted(made) if name.endswith(".registration")]
        if registered:
            by_method = {name.partition(".")[0]: catalog.load(name)["model"] for name in registered}
            models = [by_method[m] for m in self._parameters["methods"] if m in by_method]
            _print(after_registration(invocation, models))
        if "promotions" in made:
            _print(after_promotion(invocation, [p["model"] for p in catalog.load("promotions")]))
        if "report_text" not in made:
            return
        click.echo(f"\n{catalog.load('report_text')}")
        lines = {
            title: self._relative(catalog, name) for name, title in SHOWN.items() if name in made
        }
        if self._tracking["enabled"]:
            lines["runs"] = tracking_uri(self._tracking["uri"], self._project)
        if (self._project / "Makefile").is_file():
            lines["look"] = "make viz (the pipeline), make ui (the runs in MLflow)"
        if _is_own(self._parameters):
            validated = self._validated(catalog, made)
            lines |= after_report(invocation, self._parameters, validated)
        elif (self._project / "Makefile").is_file():
            lines["next"] = ".venv/bin/kedro run --params=dataset=demo_flags (more: docs/README.md)"
        _print(lines)

    def _validated(self, catalog: Any, made: set[str]) -> list[Validated]:
        """List the methods of this run that have answers on validation images."""
        found = []
        for method in self._parameters["methods"]:
            if f"{method}.metrics" not in made:
                continue
            score = catalog.load(f"{method}.metrics").get("validation")
            if score:
                (result,) = catalog.load(f"{method}.record")["methods"]
                found.append(Validated(method, result["title"], score["correct"], score["total"]))
        return found

    def _relative(self, catalog: Any, name: str) -> str:
        return os.path.relpath(catalog.get(name).filepath, self._project)


def _is_own(parameters: dict[str, Any]) -> bool:
    """Tell whether the dataset is of the user's own photos."""
    from vlprompt_pipeline.image_datasets import is_named_dataset

    return not is_named_dataset(f"{parameters['dataset_prefix']}{parameters['dataset']}")


def _print(lines: dict[str, str]) -> None:
    click.echo("".join(f"{title:>8}: {text}\n" for title, text in lines.items()))
