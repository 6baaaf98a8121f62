"""The protocols by name. A protocol is one module that ends in `register(…)`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field

from vlprompt_pipeline.errors import ConfigError, DataError
from vlprompt_pipeline.image_datasets import ClassSubset, ClassSubsets, list_image_datasets
from vlprompt_pipeline.parsing import DatasetName, Parameters, parse, unknown
from vlprompt_pipeline.wording import readable

PUBLISHED_DATASETS = frozenset(
    dataset.name for dataset in list_image_datasets() if dataset.column and not dataset.shift_of
)
"""The 11 datasets over which most published averages are taken (row "average")."""


class ProtocolParameters(Parameters):
    """Defaults of a protocol: its dataset, and the shots of one run.

    `unless_said` are the fields that hold only where a run does not say: no result depends on them.
    """

    unless_said: ClassVar[frozenset[str]] = frozenset({"dataset", "shots"})

    dataset: DatasetName
    shots: int = Field(ge=1)


class Protocol:
    """Say what prompts are trained on and scored on; this one trains and scores on all classes.

    A protocol is a subclass with what differs. Its pipeline, its folders and its section of the
    parameters are called by its `name`; everything else asks the object.

    Attributes:
        name: such as `few_shot`.
        title: what people call it.
        parameters: model of its section of the parameters.
        holds_classes_out: whether there are new classes, which training has not seen.
        shots_side_by_side: whether results with different numbers of shots stand in one table.
        published_average: names of the datasets over which published averages are taken.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    parameters: ClassVar[type[ProtocolParameters]] = ProtocolParameters
    holds_classes_out: ClassVar[bool] = False
    shots_side_by_side: ClassVar[bool] = False
    published_average: ClassVar[frozenset[str]] = PUBLISHED_DATASETS

    def class_subsets(
        self, class_names: Sequence[str], section: ProtocolParameters
    ) -> ClassSubsets:
        """Choose the classes of training, `base`, and perhaps those held out, `new`.

        Args:
            class_names: all classes of the dataset, in label order.
            section: the protocol's section of the parameters.

        Raises:
            DataError: too few classes.
        """
        if len(class_names) < 2:
            raise DataError(
                f"the dataset has one class only, {class_names[0]!r}: there is nothing to tell "
                "apart; at least two classes are needed"
            )
        return {"base": ClassSubset(tuple(range(len(class_names))), tuple(class_names))}

    def targets(
        self, section: ProtocolParameters, dataset: str, dataset_prefix: str
    ) -> tuple[str, ...]:
        """Choose other datasets that the prompts of `dataset` are scored on.

        Args:
            section: the protocol's section of the parameters.
            dataset: name of the dataset of training, without prefix.
            dataset_prefix: of all datasets of the run, such as `miniature_`.

        Returns:
            Names without prefix, each once; never `dataset`, whose test images are scored anyway.

        Raises:
            ConfigError: there are none, or one that makes no sense.
        """
        return ()

    def sweep_shots(self, section: ProtocolParameters) -> tuple[int, ...]:
        """List the shots that a sweep runs where none are given."""
        return (section.shots,)

    def trains_on(self, dataset: str) -> bool:
        """Tell whether the protocol can be run on a dataset, given by its name in results."""
        return True

    def label(self, settings: Mapping[str, Any]) -> str:
        """Return the name in paths and results.

        It is another one where settings change the classes, so that nothing is overwritten,
        averaged or set beside published figures by mistake.

        Args:
            settings: the section, or as much of it as globals and `--params` give.
        """
        return self.name

    def label_settings(self, label: str) -> dict[str, str]:
        """Return the settings that `label` tells of: what has to be given to run it again."""
        return {}

    def published_table(self, dataset: str, shots: int) -> str | None:
        """Name what was printed of this protocol on ViT-B/16, as in `published_results.csv`.

        Args:
            dataset: that prompts are trained on.
            shots: of training.

        Returns:
            None where nothing comparable was printed.
        """
        return None


PROTOCOLS: dict[str, Protocol] = {}
"""Every registered protocol by its name."""


def register(protocol: Protocol) -> None:
    """Make a protocol known by its name, which must be new."""
    if protocol.name in PROTOCOLS:
        raise ValueError(f"two protocols are named {protocol.name}")
    PROTOCOLS[protocol.name] = protocol


def get_protocol(name: str) -> Protocol:
    """Return the protocol of a name.

    Raises:
        ConfigError: there is none.
    """
    if name not in PROTOCOLS:
        raise ConfigError(unknown("protocol", "protocol", name, list(PROTOCOLS)))
    return PROTOCOLS[name]


def choose_classes(
    name: str, settings: Mapping[str, Any], class_names: Sequence[str]
) -> ClassSubsets:
    """Return the base and new classes of a dataset in a protocol with a section of parameters.

    Raises:
        ConfigError: there is no such protocol, its section is wrong, or what it chooses makes no
            sense.
        DataError: too few classes.
    """
    protocol = get_protocol(name)
    section = parse(protocol.parameters, settings, f"parameters.{name}")
    subsets = protocol.class_subsets(class_names, section)
    parts = ["base", "new"] if protocol.holds_classes_out else ["base"]
    labels = [label for subset in (subsets or {}).values() for label in subset.labels]
    if sorted(subsets or {}) != parts or len(set(labels)) < len(labels):
        raise ConfigError(
            f"class_subsets of {name}: return a dictionary of {' and '.join(parts)}, as its "
            "holds_classes_out says, and no class twice"
        )
    return subsets


def find_protocol(label: str) -> Protocol | None:
    """Return the protocol of a label in results, base to new for `base_to_new_share_0.3`.

    None where no protocol is registered that could be it, as for results of an extension.
    """
    names = [name for name in PROTOCOLS if label == name or label.startswith(f"{name}_")]
    return PROTOCOLS[max(names, key=len)] if names else None


def protocol_title(label: str) -> str:
    """Return what people call a label: "few-shot", or "base to new share 0.3" with its settings."""
    registered = find_protocol(label)
    if registered is None:
        return readable(label)
    return f"{registered.title}{readable(label.removeprefix(registered.name))}"
