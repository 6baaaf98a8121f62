"""Choose the methods and target datasets that pipelines are built for.

A run says so in its parameters, which Kedro's pipeline registry does not see. The parameter hook
notes them here before the registry is asked; without a run, conf's own choice holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vlprompt_pipeline.errors import ConfigError

if TYPE_CHECKING:
    from vlprompt_pipeline.run_parameters import RunParameters


class Selection(NamedTuple):
    """Names of the protocol, of recipes, and of the datasets that prompts are scored on.

    `targets` are the datasets that each protocol scores beside that of training; `verified` are the
    methods that a verification runs again.
    """

    protocol: str
    methods: tuple[str, ...]
    targets: Mapping[str, tuple[str, ...]]
    verified: tuple[str, ...] = ()


# State of the process: Kedro calls `register_pipelines()` without arguments, so it can be told of
# a run's methods in no other way. `OneRunHook` refuses a second run in a process meanwhile.
_selected: Selection | None = None


def select(selection: Selection) -> None:
    """Build pipelines for this selection from now on, until the next call."""
    global _selected  # noqa: PLW0603  (see above)
    if selection == _selected:
        return
    _selected = selection
    from kedro.framework.project import PACKAGE_NAME, pipelines

    pipelines.configure(f"{PACKAGE_NAME}.pipeline_registry")  # forget a graph for other methods


def selected() -> Selection:
    """Give the selection of the current run, or that of conf/base if there is none."""
    return _selected if _selected is not None else _from_conf()


def _from_conf() -> Selection:
    from kedro.utils import find_kedro_project

    from vlprompt_pipeline.protocol_runs import configured

    project = find_kedro_project(Path.cwd()) or Path.cwd()
    return selection_of(configured(project, None, "base", {}))


def selection_of(parameters: RunParameters) -> Selection:
    """Give the selection of a run with these parameters.

    Another protocol than the run's own is there to be looked at. Where its section does not fit
    the run's datasets it has no targets: a run of it is refused with the reason.

    Raises:
        ConfigError: unknown methods, or targets of the run's protocol that make no sense.
    """
    from vlprompt_pipeline.protocols import PROTOCOLS

    targets = {name: () for name in PROTOCOLS}
    for name in PROTOCOLS:
        if name != parameters.protocol:
            with suppress(ConfigError):
                targets[name] = parameters.in_protocol(name).targets()
    targets[parameters.protocol] = parameters.targets()
    methods = parameters.selected_methods()
    return Selection(parameters.protocol, methods, targets, verified=methods)
