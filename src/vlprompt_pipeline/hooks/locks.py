"""Lock cells, and everything else that two runs could both write, for one writer at a time."""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from kedro.framework.hooks import hook_impl

from vlprompt_pipeline.datasets import datasets_of
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.filesystem.files import remove_unfinished, sha256_json
from vlprompt_pipeline.filesystem.locks import HeldLocks, Lock
from vlprompt_pipeline.filesystem.places import distrust, trust
from vlprompt_pipeline.hooks.replaced_results import replaced_results
from vlprompt_pipeline.hooks.run_hook import RunHook
from vlprompt_pipeline.wording import shots_text

if TYPE_CHECKING:
    from vlprompt_pipeline.run_parameters import RunParameters

logger = logging.getLogger(__name__)

_FOLDER = "locks"
# Layers of the catalog that runs on one dataset share, whatever their cells.
_SHARED_LAYERS = ("data/02_", "data/03_", "data/04_", "data/05_")
_REPORTS = Lock("the reports in data/08_reporting")
# Entries of the results of all cells; a report that was made of earlier ones would lack the latest.
_ALL_RESULTS = {"results", "whole_predictions"}
# Settings that decide what is written there.
_DATASET_SETTINGS = {
    "split",
    "own_data",
    "dataset_root",
    "clip",
    "features",
    "device",
    "threads",
    "precision",
}
_WRITTEN_ALIKE = {"features": {"batch_size", "workers"}}  # but for these


class LockHook(RunHook):
    """Lock what a run writes, and tell which results it replaces.

    Cells are locked for one run alone. What runs on one dataset share (index, features, few-shot
    sets) is locked for all runs that would write the same to it. The reports over all records are
    locked while they are made, and all other files as they are.
    """

    def __init__(self) -> None:
        self._held: HeldLocks | None = None
        self._cell = ""
        self._reports: set[str] = set()
        self._cleaned: set[Path] = set()
        self._one_at_a_time = threading.Lock()  # nodes run in threads, too
        atexit.register(self._release)

    @hook_impl(wrapper=True)  # inside the parameters' own, which refuses a run that leaves nothing
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Any, catalog: Any
    ) -> Generator[None, Any, Any]:
        """Lock the cell and its datasets, then say which stored results will be replaced.

        Where another hook refuses the run, Kedro tells of no error: they are unlocked here.

        Raises:
            ClickException: another run holds one of them, and goes on holding it.
        """
        paths = dict(self._paths(pipeline, catalog))
        outputs = pipeline.all_outputs()
        made = [path for path, name in paths.items() if name in outputs]
        self._reports = {paths[path] for path in made if _is_report(path)}
        locks = list(self._locks(paths, made))
        if self._reports and "ParallelRunner" in str(run_params["runner"]):
            locks.append(_REPORTS)  # Kedro tells hooks of no node in a worker process
        self._release()
        self._held = HeldLocks(self._data.root / _FOLDER)
        try:
            self._acquire(locks)
            self._remove_unfinished()
            for sentence in replaced_results(outputs, catalog, self._parameters, self._cell):
                logger.warning(sentence)
            return (yield)
        except BaseException:
            self._release()
            raise

    @hook_impl
    def before_dataset_loaded(self, dataset_name: str) -> None:
        """Lock the reports before the results are read that they are made of.

        Raises:
            ClickException: another run goes on writing the reports.
        """
        if self._reports and dataset_name in _ALL_RESULTS:
            self._lock_reports()

    @hook_impl
    def before_node_run(self, node: Any) -> None:
        """Lock the reports before the first node that writes one, and notice a lost lock.

        Raises:
            ClickException: another run took the cell over, or goes on writing the reports.
        """
        held = self._held
        if held is None:
            return
        if held.lost:
            raise click.ClickException(
                "another run took over what this one writes, because it was not heard of for "
                "minutes (a machine asleep?): give the command again, finished work is kept"
            )
        if self._reports & {*node.outputs}:
            self._lock_reports()

    @hook_impl(wrapper=True, tryfirst=True)
    def after_pipeline_run(self) -> Generator[None, Any, Any]:
        """Unlock when the other hooks have written what they write, or could not."""
        try:
            return (yield)
        finally:
            self._release()

    @hook_impl(tryfirst=True)
    def on_pipeline_error(self) -> None:
        """Unlock."""
        self._release()

    def cut_short(self) -> None:
        """Unlock after a run that Kedro told no end of: one refused at its start, or stopped."""
        self._release()

    def _lock_reports(self) -> None:
        with self._one_at_a_time:
            self._acquire([_REPORTS])

    def _acquire(self, locks: list[Lock]) -> None:
        try:
            self._held.acquire(locks, self._parameters["wait_for_other_runs"])
        except UserError as error:
            raise click.ClickException(str(error)) from error
        trust()

    def _release(self) -> None:
        held, self._held = self._held, None
        distrust()
        if held is not None:
            held.release()

    def _remove_unfinished(self) -> None:
        """Remove what killed runs were writing: results, locks, and datasets half drawn.

        A sweep does so once: where hundreds of cells are stored, it takes seconds.
        """
        here = {self._data.root, self._project / "data"}  # checkpoints are in the project's
        new, self._cleaned = here - self._cleaned, self._cleaned | here
        patterns = ("0[2-8]_*/**/.*", "locks/.*", "01_raw/.*")  # of photos only the top
        hidden = [path for data in new for pattern in patterns for path in data.glob(pattern)]
        if removed := remove_unfinished(hidden):
            logger.info("removed unfinished files of killed runs: %d", len(removed))

    def _paths(self, pipeline: Any, catalog: Any) -> Iterator[tuple[str, str]]:
        """Yield names of all files that a pipeline reads or writes, and of their entries."""
        for entry in sorted(pipeline.datasets()):
            for _, dataset in datasets_of(catalog, [entry]):
                path = getattr(dataset, "filepath", None)
                if path is not None and not (name := self._data.name(Path(path))).startswith("../"):
                    yield name, entry

    def _locks(self, paths: Mapping[str, str], made: list[str]) -> Iterator[Lock]:
        from vlprompt_pipeline.reproducibility.completion import cell_folder
        from vlprompt_pipeline.run_parameters import parse_run_parameters

        run = parse_run_parameters(self._parameters)
        cell = self._cell = cell_folder(run)  # as it stands in the paths of the catalog
        if any(f"/{cell}/" in path for path in made):
            yield Lock(f"the cell {cell}")
            if run.side_by_side.seeds:
                yield Lock(f"the prompts that train side by side in {Path(cell).parent}")
        for path in made:
            if not (path.startswith(_SHARED_LAYERS) or f"/{cell}/" in path or _is_report(path)):
                yield Lock(path)
        if any(path.startswith(_SHARED_LAYERS) for path in paths):
            yield from dataset_locks(run)
            if "few_shot_features" in paths.values():
                yield few_shot_lock(run)


def dataset_locks(run: RunParameters) -> Iterator[Lock]:
    """Yield the locks on what is prepared of the datasets of a run."""
    decide = run.model_dump(mode="json", include=_DATASET_SETTINGS, exclude=_WRITTEN_ALIKE)
    settings = sha256_json(decide)[:16]
    for dataset in sorted({*run.datasets()}):
        yield Lock(f"the prepared dataset {dataset}", settings)


def few_shot_lock(run: RunParameters) -> Lock:
    """Return the lock on the features of a few-shot set, which list those of the seeds beside it.

    Runs of several protocols write the same ones.
    """
    where = f"{run.benchmark}, {shots_text(run.shots)}, seed {run.seed}"
    beside = sorted({run.seed, *run.side_by_side.seeds})
    return Lock(f"the few-shot features of {where}", f"seeds {beside}")


def _is_report(path: str) -> bool:
    """Tell whether a file is made of the records of all cells."""
    folder = path.removeprefix("data/08_reporting/")
    about_one_cell = ("records/", "reproducibility/", "verification/", "promotions/")
    return folder != path and not folder.startswith(about_one_cell)
