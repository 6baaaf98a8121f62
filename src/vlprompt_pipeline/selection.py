"""Which methods the graph is built for.

A run says so in its parameters, which Kedro's pipeline registry does not see. The parameter hook
notes them here before the registry is asked; without a run, conf's own choice holds.
"""

from __future__ import annotations

from pathlib import Path

_selected: tuple[str, ...] | None = None


def select_methods(methods: tuple[str, ...]) -> None:
    """Build pipelines for these recipes from now on."""
    global _selected  # noqa: PLW0603  (one run at a time is Kedro's own rule)
    if methods == _selected:
        return
    _selected = methods
    from kedro.framework.project import PACKAGE_NAME, pipelines

    pipelines.configure(f"{PACKAGE_NAME}.pipeline_registry")  # forget a graph for other methods


def selected_methods() -> tuple[str, ...]:
    """The recipes of the current run, or of conf/base where there is none."""
    return _selected if _selected is not None else _from_conf()


def _from_conf() -> tuple[str, ...]:
    from kedro.config import OmegaConfigLoader
    from kedro.utils import find_kedro_project

    from vlprompt_pipeline.config import RunParameters, parse

    project = find_kedro_project(Path.cwd()) or Path.cwd()
    loader = OmegaConfigLoader(str(project / "conf"), base_env="base", default_run_env="base")
    return parse(RunParameters, loader["parameters"]).selected_methods()
