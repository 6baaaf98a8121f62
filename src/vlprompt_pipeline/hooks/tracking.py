"""MLflow: a parent run for each `kedro run`, a child run for each method.

Which outputs are logged stands in the catalog: `metadata: {mlflow: artifact | metrics | history}`.
Everything is logged at the end from the catalog, so that the runner does not matter and nodes know
nothing of MLflow. MLflow itself is imported when a run starts, not with the project.
"""

from __future__ import annotations

import atexit
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.cli.utils import KedroCliError
from kedro.framework.hooks import hook_impl

from vlprompt_pipeline.registry.place import tracking_uri

if TYPE_CHECKING:
    from vlprompt_pipeline.hooks.mlflow_store import OpenRun

# A recipe is logged with its method.
_NOT_LOGGED = {
    "recipes",
    "demo_pretraining",
    "analysis",
    "benchmark_report",
    "tracking",
    "registry",
    "prediction",
}


class TrackingHook:
    """Records runs in MLflow."""

    def __init__(self) -> None:
        self._parameters: dict[str, Any] = {}
        self._project = Path()
        self._run: OpenRun | None = None
        atexit.register(self._cut_short)

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Remember the parameters and the project's folder."""
        self._parameters = dict(context.config_loader["parameters"])
        self._project = Path(context.project_path)

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any]) -> None:
        """Open the parent run.

        Raises:
            KedroCliError: MLflow is not where the parameters or the environment say.
        """
        tracking = self._parameters["tracking"]
        if not tracking["enabled"]:
            return
        from vlprompt_pipeline.config import PROTOCOLS
        from vlprompt_pipeline.hooks import mlflow_store as store

        uri = tracking_uri(tracking["uri"], self._project)
        other_protocols = {*PROTOCOLS} - {self._parameters["protocol"]}
        silent = _NOT_LOGGED | other_protocols
        logged = {k: v for k, v in self._parameters.items() if k not in silent}
        try:
            self._run = store.open_parent(
                uri,
                tracking["experiment"],
                self._project,
                name="{dataset_prefix}{dataset} {shots} shots seed {seed}".format(**logged),
                tags={
                    "kedro.pipelines": ", ".join(run_params["pipeline_names"] or ["__default__"])
                },
                parameters=logged,
            )
        except store.StoreError as error:
            raise KedroCliError(
                f"MLflow at {uri} cannot record this run; start its server, name another place "
                "with MLFLOW_TRACKING_URI, or go without by --params=tracking.enabled=false "
                f"({error})"
            ) from None

    @hook_impl
    def after_pipeline_run(self, pipeline: Any, catalog: Any) -> None:
        """Log shared outputs to the parent and a method's to its child run, then close both.

        Raises:
            KedroCliError: MLflow takes no more; what the run made is in the catalog's files.
        """
        run, self._run = self._run, None
        if run is None:
            return
        from vlprompt_pipeline.hooks import mlflow_store as store
        from vlprompt_pipeline.methods.recipe import resolve_recipe

        shared, by_method = _logged_outputs(pipeline, catalog)
        try:
            with run.ended():
                tags = _data_tags(pipeline, catalog)
                for name, value in tags.items():
                    run.tag(name, value)
                run.log_outputs(catalog, shared)
                for method, outputs in by_method.items():
                    recipe = resolve_recipe(method, self._parameters["recipes"])
                    settings = recipe.model_dump(mode="json", exclude_none=True)
                    marks = {
                        "method": method,
                        **tags,
                        **_made_with(catalog, method),
                        **_prompt_hash(catalog, method, outputs),
                    }
                    child = run.open_child(method, marks, settings)
                    with child.ended():
                        child.log_outputs(catalog, outputs)
        except store.StoreError as error:
            raise KedroCliError(
                f"everything is computed and under data/, but MLflow did not record it ({error})"
            ) from None

    @hook_impl(tryfirst=True)
    def on_pipeline_error(self, error: Exception) -> None:
        """A failed run ends FAILED and says why."""
        self._end("FAILED", str(error))

    def _cut_short(self) -> None:
        """A run that the user stops ends KILLED."""
        self._end("KILLED", "stopped before its end")

    def _end(self, status: str, reason: str) -> None:
        run, self._run = self._run, None
        if run is not None:
            run.end(status, reason)


def _data_tags(pipeline: Any, catalog: Any) -> dict[str, str]:
    """A mark for runs on a split that is not the one the data came with."""
    if "dataset_card" not in pipeline.datasets():
        return {}
    mark = catalog.load("dataset_card").random_split
    return {"split": mark} if mark else {}


def _made_with(catalog: Any, method: str) -> dict[str, str]:
    """What lists of runs can be searched by of the environment that made the method's files."""
    record = f"{method}.reproducibility"
    if not catalog.exists(record):
        return {}
    made = catalog.load(record)["runs"][-1]["environment"]
    return {
        "made.commit": str(made["code"]["commit"]),
        "made.dirty": str(made["code"]["dirty"]),
        "made.torch": made["versions"]["torch"],
        "made.cpu": made["hardware"]["cpu"],
    }


def _prompt_hash(catalog: Any, method: str, outputs: dict[str, str]) -> dict[str, str]:
    """The hash by which a registered model finds the run that its prompt comes from."""
    name = f"{method}.packed_prompt"
    if name not in outputs:
        return {}
    return {"prompt_sha256": hashlib.sha256(catalog.load(name)).hexdigest()}


def _logged_outputs(
    pipeline: Any, catalog: Any
) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Names of outputs and what to do with them: shared ones, and those in a method's namespace.

    The reproducibility record, which a hook has written, goes with the method's.
    """
    shared: dict[str, str] = {}
    by_method: dict[str, dict[str, str]] = {}
    for name in sorted(pipeline.all_outputs()):
        kind = (getattr(catalog.get(name), "metadata", None) or {}).get("mlflow")
        method, namespaced, _ = name.partition(".")
        if kind is not None:
            (by_method.setdefault(method, {}) if namespaced else shared)[name] = kind
    for method, outputs in by_method.items():
        if catalog.exists(record := f"{method}.reproducibility"):
            outputs[record] = "artifact"
    return shared, by_method
