"""What a person reads at the end of a run: the table, and where everything is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from kedro.framework.hooks import hook_impl

SHOWN = {"report_page": "report", "report_table": "table"}


class SummaryHook:
    """Prints the report of a run that made one."""

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Remember where paths are relative to."""
        self._project = Path(context.project_path)

    @hook_impl(trylast=True)
    def after_pipeline_run(self, pipeline: Any, catalog: Any) -> None:
        """Print the table of `report_text`, the files beside it and what to do next."""
        made = pipeline.all_outputs()
        if "report_text" not in made:
            return
        click.echo(f"\n{catalog.load('report_text')}")
        for name, title in SHOWN.items():
            if name in made:
                path = os.path.relpath(catalog.get(name).filepath, self._project)
                click.echo(f"{title:>8}: {path}")
        click.echo("    look: make viz (the pipeline), make ui (every run in MLflow)\n")
