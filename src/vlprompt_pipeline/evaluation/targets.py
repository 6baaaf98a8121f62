"""Which other datasets the prompts of a run are scored on, by protocol.

Cross-dataset and domain generalisation (CoCoOp, CVPR 2022, sections 4.2 and 4.3): prompts are
trained on all classes of one dataset, and each target is scored among the target's own class
names with the same prompts.
"""

from __future__ import annotations

from vlprompt_pipeline.config import PROTOCOLS, RunParameters, TransferParameters
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.image_datasets import list_image_datasets

SHIFTS = "shifts"


def resolve_targets(parameters: RunParameters) -> tuple[str, ...]:
    """Names of the targets, without prefix, each once; none in protocols on a single dataset.

    The dataset itself is no target: its test images are scored in any case.

    Raises:
        ConfigError: no target is left, or one of domain generalisation shows other classes.
    """
    section = parameters.section(parameters.protocol)
    if not isinstance(section, TransferParameters):
        return ()
    shifted = parameters.protocol == "domain_generalisation"
    asked = _shifted(parameters) if shifted else _names(section.targets)
    targets = tuple(name for name in dict.fromkeys(asked) if name != parameters.dataset)
    if not targets:
        raise ConfigError(
            f"{parameters.protocol}.targets: no dataset besides {parameters.dataset}; name others"
        )
    return targets


def targets_by_protocol(parameters: RunParameters) -> dict[str, tuple[str, ...]]:
    """Targets of every protocol: of the run's with the run's dataset, of others with their own.

    Raises:
        ConfigError: as `resolve_targets`.
    """
    return {name: resolve_targets(parameters.in_protocol(name)) for name in PROTOCOLS}


def _names(given: tuple[str, ...] | str) -> tuple[str, ...]:
    return tuple(given.split("+")) if isinstance(given, str) else given


def _shifted(parameters: RunParameters) -> tuple[str, ...]:
    prefix, dataset = parameters.dataset_prefix, parameters.dataset
    variants: dict[str, list[str]] = {}
    for benchmark in list_image_datasets(prefix):
        if benchmark.shift_of:
            original = benchmark.shift_of.removeprefix(prefix)
            variants.setdefault(original, []).append(benchmark.name.removeprefix(prefix))
    known = variants.get(dataset, [])
    if not known:
        raise ConfigError(
            f"protocol domain_generalisation: {dataset} has no shifted variants; train on "
            f"{' or '.join(sorted(variants))}, or name targets in protocol cross_dataset"
        )
    given = parameters.domain_generalisation.targets
    if given == SHIFTS:
        return tuple(known)
    asked = _names(given)
    if others := [name for name in asked if name not in known]:
        raise ConfigError(
            f"domain_generalisation.targets: {others[0]} is no shifted variant of {dataset}; "
            f"those are {', '.join(known)}; other datasets are for protocol cross_dataset"
        )
    return asked
