"""MLflow: a parent run for each `kedro run`, a child run for each method.

Which outputs are logged stands in the catalog: `metadata: {mlflow: artifact | metrics | history}`.
Everything is logged at the end from the catalog, so that the runner does not matter and nodes know
nothing of MLflow. MLflow itself is imported when a run starts, not with the project.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl

_OWN_RUN = {"recipes", "demo_pretraining", "tracking"}  # logged with the method, or not at all


class TrackingHook:
    """Records runs in MLflow."""

    def __init__(self) -> None:
        self._parameters: dict[str, Any] = {}
        self._project = Path()
        self._open = False

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Remember the parameters and the project's folder."""
        self._parameters = dict(context.config_loader["parameters"])
        self._project = Path(context.project_path)
        self._open = False

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any]) -> None:
        """Open the parent run."""
        tracking = self._parameters["tracking"]
        if not tracking["enabled"]:
            return
        from vlprompt_pipeline.hooks import mlflow_store as store

        store.use(self._tracking_uri(tracking["uri"]), tracking["experiment"], self._project)
        logged = {key: value for key, value in self._parameters.items() if key not in _OWN_RUN}
        store.open_parent(
            "{dataset} {shots} shots seed {seed}".format(**logged),
            logged,
            pipelines=run_params["pipeline_names"] or ["__default__"],
        )
        self._open = True

    @hook_impl
    def after_pipeline_run(self, pipeline: Any, catalog: Any) -> None:
        """Log shared outputs to the parent and a method's to its child run, then close."""
        if not self._open:
            return
        from vlprompt_pipeline.hooks import mlflow_store as store

        self._open = False
        shared, by_method = _logged_outputs(pipeline, catalog)
        with store.closing():
            store.log_outputs(catalog, shared)
            for method, outputs in by_method.items():
                recipe = self._parameters["recipes"].get(method, {})
                store.log_child(method, recipe, catalog, outputs)

    @hook_impl(tryfirst=True)
    def on_pipeline_error(self, error: Exception) -> None:
        """A failed run ends FAILED and says why."""
        if not self._open:
            return
        from vlprompt_pipeline.hooks import mlflow_store as store

        store.fail(str(error))
        self._open = False

    def _tracking_uri(self, configured: str) -> str:
        """The environment's URI, or the configured one with a sqlite path put under the project."""
        uri = os.environ.get("MLFLOW_TRACKING_URI") or configured
        scheme, _, path = uri.partition(":///")
        relative = scheme == "sqlite" and not path.startswith("/")
        return f"sqlite:///{self._project / path}" if relative else uri


def _logged_outputs(
    pipeline: Any, catalog: Any
) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Names of outputs and what to do with them: shared ones, and those in a method's namespace."""
    shared: dict[str, str] = {}
    by_method: dict[str, dict[str, str]] = {}
    for name in sorted(pipeline.all_outputs()):
        kind = (getattr(catalog.get(name), "metadata", None) or {}).get("mlflow")
        method, namespaced, _ = name.partition(".")
        if kind is not None:
            (by_method.setdefault(method, {}) if namespaced else shared)[name] = kind
    return shared, by_method
