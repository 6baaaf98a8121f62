"""Run a protocol by the name of its pipeline, on the dataset and shots of its section.

Kedro makes the catalog's paths from the parameters before it looks at the names of pipelines. So
the command line adds the section's values to the parameters, and a session that is given a pipeline
without them is refused before it writes into the paths of another protocol.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kedro.framework.project import settings

from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.parsing import unknown
from vlprompt_pipeline.protocols import PROTOCOLS
from vlprompt_pipeline.run_parameters import RunParameters, parse_run_parameters

Values = Mapping[str, Any]


def protocol_among(pipelines: Sequence[str]) -> str | None:
    """Name the protocol whose pipeline is among these, if there is one.

    Raises:
        ConfigError: there are two.
    """
    named = [name for name in dict.fromkeys(pipelines) if name in PROTOCOLS]
    if len(named) > 1:
        raise ConfigError(
            f"pipelines {' and '.join(sorted(named))}: one run is of one protocol; "
            f"kedro sweep --protocols={','.join(sorted(named))} runs one after the other"
        )
    return named[0] if named else None


def require_protocol(pipelines: Sequence[str], protocol: str) -> None:
    """Refuse the pipeline of one protocol with the parameters of another.

    Raises:
        ConfigError: naming both.
    """
    named = protocol_among(pipelines)
    if named not in (None, protocol):
        raise ConfigError(
            f"pipeline {named} is run with the parameter protocol={protocol}, which stands in the "
            f"paths of its results: give protocol={named}, or on the command line none at all"
        )


def with_protocol(pipelines: Sequence[str], given: Values, parameters: RunParameters) -> Values:
    """Add the dataset and shots of the protocol's pipeline among these to what is `given`.

    Raises:
        ConfigError: two protocols, or another one among what is given.
    """
    named = protocol_among(pipelines)
    if named is None:
        return given
    require_protocol(pipelines, given.get("protocol", named))
    section = parameters.section(named)
    return {"protocol": named, "dataset": section.dataset, "shots": section.shots, **given}


def axes_of(protocol: str, given: Values, parameters: RunParameters) -> dict[str, Sequence[Any]]:
    """List the values of protocol, dataset and shots that a sweep runs where none are given."""
    section = parameters.section(protocol)
    shots = PROTOCOLS[protocol].sweep_shots(section)
    axes = {"dataset": (section.dataset,), "shots": shots}
    return {"protocol": (protocol,)} | {k: v for k, v in axes.items() if k not in given}


def named_protocols(names: Sequence[str]) -> tuple[str, ...]:
    """List protocols by their names, each once; `all` stands for every protocol.

    Raises:
        ConfigError: there is no such protocol.
    """
    for name in names:
        if name not in (*PROTOCOLS, "all"):
            raise ConfigError(unknown("protocols", "protocol", name, [*PROTOCOLS, "all"]))
    return tuple(PROTOCOLS) if "all" in names else tuple(dict.fromkeys(names))


def configured(project: Path, conf: str | None, env: str | None, given: Values) -> RunParameters:
    """Read the parameters as a session that is created with these arguments has them.

    Raises:
        ConfigError: an unknown key or a wrong value.
    """
    return parse_run_parameters(configured_values(project, conf, env, given))


def configured_values(
    project: Path, conf: str | None, env: str | None, given: Values
) -> dict[str, Any]:
    """Read the parameters likewise, as plain values, unchecked."""
    loader = settings.CONFIG_LOADER_CLASS(
        conf_source=conf or str(project / settings.CONF_SOURCE),
        env=env or os.environ.get("KEDRO_ENV"),
        runtime_params=dict(given),
        **settings.CONFIG_LOADER_ARGS,
    )
    return loader["parameters"]
