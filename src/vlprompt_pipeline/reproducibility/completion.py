"""The completion record of a method in a cell: what it was finished from, and what it left.

A cell is finished if its record has the key that the cell has now, part by part, and if the files
that it names are there as it names them. So changed photos, settings or code make it due again, and
a file that another run replaced or that was damaged does, too; of files in a place only the
manifests are read, which spares their download. There are no times in it: the same result has the
same record.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from vlprompt_pipeline.clip.loading import EMBEDDED
from vlprompt_pipeline.config import SideBySideParameters
from vlprompt_pipeline.evaluation.metrics import METRICS
from vlprompt_pipeline.export import EXPORT_FORMATS
from vlprompt_pipeline.filesystem.data_folder import DataFolder
from vlprompt_pipeline.filesystem.files import sha256_file, sha256_json
from vlprompt_pipeline.filesystem.home import at_home
from vlprompt_pipeline.filesystem.manifests import described_as
from vlprompt_pipeline.filesystem.places import exists, is_there, url_of
from vlprompt_pipeline.methods import resolve_recipe
from vlprompt_pipeline.parsing import Frozen
from vlprompt_pipeline.protocols import get_protocol
from vlprompt_pipeline.reproducibility.record import deciding_parameters
from vlprompt_pipeline.run_parameters import RunParameters, parse_run_parameters
from vlprompt_pipeline.source_code import code_digest
from vlprompt_pipeline.training.groups import members

FOLDER = "08_reporting/completion"
"""In the folder of data: a file for each method of a cell, where the catalog says the same."""
_SAMPLING = "vlprompt_pipeline.image_datasets.few_shot"


class Key(NamedTuple):
    """What a result is finished from: SHA-256 of settings, of code and of inputs.

    `inputs` is empty until the images have been looked at.
    """

    settings: str
    code: str
    inputs: str


class Completion(Frozen):
    """A finished method of a cell.

    Attributes:
        key: see `Key`.
        outputs: SHA-256 of the files that it left, by their names (`DataFolder.name`).
        recorded: which MLflow has the result (`registry.place.recording_place`), empty if none has.
        side_by_side: that parameter of the run.
    """

    schema_version: Literal[1] = 1
    key: Key
    outputs: dict[str, str]
    recorded: str = ""
    side_by_side: SideBySideParameters = SideBySideParameters()

    @classmethod
    def read(cls, file: Path) -> Completion | None:
        """Read a record; none if there is none that can be read."""
        if not is_there(file):
            return None
        try:
            return cls.model_validate_json(file.read_bytes())
        except (OSError, ValidationError):
            return None

    def same_result(self, other: Completion) -> bool:
        """Tell whether the result is the same, whichever MLflow has it."""
        return self == other.model_copy(update={"recorded": self.recorded})

    def why_due(self, key: Key, data: DataFolder) -> str:
        """Say why the result is to be made again; empty if it is finished."""
        for part in Key._fields:
            if getattr(key, part) != getattr(self.key, part):
                return f"its {part} changed"
        for name, sha256 in self.outputs.items():
            path = data.path(name)
            if not exists(path):
                return f"{path.name} is gone"
            if sha256 not in described_as(path):
                return f"{path.name} is of another run"
            if not url_of(path) and _sha256(path) != sha256:
                return f"{path.name} has been changed since it was written"
        return ""


def cell_folder(parameters: RunParameters) -> str:
    """Name the folder of a cell, as it stands in the paths of the catalog."""
    protocol = get_protocol(parameters.protocol).label(
        parameters.section(parameters.protocol).model_dump()
    )
    draw = f"shots{parameters.shots}/seed{parameters.seed}"
    return f"{parameters.clip.name}/{parameters.benchmark}/{protocol}/{draw}"


def completion_file(data: DataFolder, cell: str, method: str) -> Path:
    """Name the file of the record."""
    return data.root / FOLDER / cell / f"{method}.json"


def completion_key(
    values: Mapping[str, Any], recipes: Mapping[str, Any], method: str, project: Path
) -> Key:
    """Compute the key of a method in the cell of these parameters.

    Args:
        values: all parameters of the run.
        recipes: those of its situation.
        method: name of the recipe.
        project: folder of the project, where inputs are looked for as they are now.
    """
    parameters = parse_run_parameters(values)
    settings = deciding_parameters(values) | {"metrics": sorted(parameters.metrics)}
    group = members(method, parameters.seed, parameters.side_by_side, recipes)
    settings["side_by_side"] = group if len(group) > 1 else ()
    recipe = resolve_recipe(method, recipes)
    settings["recipe"] = recipe.deciding
    metrics = [METRICS[name].compute for name in parameters.metrics if name in METRICS]
    protocol = type(get_protocol(parameters.protocol))
    formats = [each.to_bytes for each in EXPORT_FORMATS.values()]
    named = (protocol, *recipe.code, *metrics, *formats)
    code = code_digest("features", "results", _SAMPLING, *named)
    return Key(sha256_json(settings), code, _inputs(parameters, project))


def _inputs(parameters: RunParameters, project: Path) -> str:
    """Hash the indexes of images and the CLIP; empty as long as an index is not there."""
    data, parts = DataFolder.of(parameters.data_root, project).root, []
    for name in parameters.datasets():
        for file in (
            data / "03_primary" / name / "image_index.parquet",
            data / "02_intermediate" / name / "dataset_card.json",
        ):
            described = described_as(file)
            if len(described) != 1:
                return ""
            parts += [name, *described]
    return sha256_json([*parts, _clip(parameters.clip.source, project)])


def _clip(source: str, project: Path) -> Any:
    """Describe the content of the CLIP; a name on a hub is its own description."""
    kind, _, folder = source.partition(":")
    if kind not in ("embedded", "local-dir"):
        return source
    weights = project / at_home(folder) if folder else EMBEDDED
    files = sorted(each for each in weights.glob("*") if each.is_file())
    return [(file.name, _sha256(file)) for file in files]


def _sha256(file: Path) -> str:
    stat = file.stat()
    return _hashed(file, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=100_000)  # a sweep asks several times whether a cell is finished
def _hashed(file: Path, size: int, changed: int) -> str:
    return sha256_file(file)
