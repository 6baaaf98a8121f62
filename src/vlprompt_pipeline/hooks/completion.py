"""Write the completion record of each method that a run takes to its end."""

from __future__ import annotations

import logging
from collections.abc import Generator
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl

from vlprompt_pipeline.datasets import datasets_of
from vlprompt_pipeline.filesystem.manifests import has_manifest
from vlprompt_pipeline.filesystem.objects import create
from vlprompt_pipeline.filesystem.places import exists, is_there, url_of
from vlprompt_pipeline.hooks.run_hook import RunHook
from vlprompt_pipeline.registry.place import recording_place

logger = logging.getLogger(__name__)


class CompletionHook(RunHook):
    """Note that a cell is finished: first on disk, then whether MLflow has it, too."""

    @hook_impl(wrapper=True)
    def after_pipeline_run(self, pipeline: Any, catalog: Any) -> Generator[None, Any, Any]:
        """Write the records before MLflow is asked, which may be away, and once more after it."""
        outputs = pipeline.all_outputs()
        methods = _finished_methods(outputs)
        if not methods:
            return (yield)
        completions = {method: self._completion(method, outputs, catalog) for method in methods}
        self._write(completions, catalog)
        result = yield
        tracking = self._parameters["tracking"]
        if tracking["enabled"]:
            place = recording_place(tracking["uri"], tracking["experiment"], self._project)
            self._write(completions, catalog, recorded=place)
        return result

    def _completion(self, method: str, outputs: set[str], catalog: Any) -> Any:
        from vlprompt_pipeline.reproducibility.completion import Completion, completion_key

        made = datasets_of(catalog, (name for name in outputs if name.startswith(f"{method}.")))
        files = dict(self._hashed(catalog, name) for name, dataset in made if _has_file(dataset))
        recipes = self._parameters["recipes"]
        key = completion_key(self._parameters, recipes, method, self._project)
        together = self._parameters["side_by_side"]
        return Completion(key=key, outputs=files, side_by_side=together)

    def _write(self, completions: dict[str, Any], catalog: Any, recorded: str = "") -> None:
        from vlprompt_pipeline.reproducibility.completion import Completion

        for method, completion in completions.items():
            dataset = catalog.get(f"{method}.completion")
            earlier = Completion.read(dataset.filepath)
            latest = completion.model_copy(update={"recorded": recorded})
            if earlier and not recorded and earlier.same_result(completion):
                continue  # an MLflow may have just this
            if earlier is None and not is_first(dataset.filepath, latest):
                logger.warning(
                    "another run finished %s in this cell meanwhile: its completion record is kept",
                    method,
                )
                continue
            if latest != earlier:
                dataset.save(latest.model_dump(mode="json"))


def is_first(file: Path, completion: Any) -> bool:
    """Put the record in a place if there is none yet; whether this run may write it.

    A run that lost its locks while it slept could replace what another one has finished since.
    """
    if not (url := url_of(file)) or exists(file):
        return True
    return create(url, completion.model_dump_json().encode())


def _has_file(dataset: Any) -> bool:
    """Tell whether an output is a file with a manifest: optional ones may be absent."""
    file = getattr(dataset, "filepath", None)
    return isinstance(file, Path) and is_there(file) and has_manifest(file)


def _finished_methods(outputs: set[str]) -> list[str]:
    """List the methods that a pipeline takes to their end."""
    return sorted(
        name.removesuffix(".record")
        for name in outputs
        if name.endswith(".record") and f"{name.removesuffix('.record')}.prompt" in outputs
    )
