"""The folder of all data, and names for its files that do not depend on where it is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from vlprompt_pipeline.filesystem.home import at_home
from vlprompt_pipeline.filesystem.places import is_url, local

_NAME = "data"


def on_disk(location: str, project: Path) -> Path:
    """Return the folder that a parameter names, or the local copy of the place that it names."""
    return local(location) if is_url(location) else project / at_home(location)


@dataclass(frozen=True)
class DataFolder:
    """The parameter `data_root`: a folder, or the local copy of a place.

    Attributes:
        root: the folder on this machine.
        project: folder of the project, which a relative path starts from.

    Example:
        >>> data = DataFolder.of("/scratch/paper", Path("/home/me/project"))
        >>> data.name(Path("/scratch/paper/06_models/a/prompt.vlp"))
        'data/06_models/a/prompt.vlp'
    """

    root: Path
    project: Path

    @classmethod
    def of(cls, data_root: str, project: Path) -> DataFolder:
        """Return the folder that `data_root` names for a project."""
        return cls(on_disk(data_root, project), project)

    def name(self, path: Path) -> str:
        """Name a file: `data/…` below this folder, else its path from the project on."""
        if path.is_relative_to(self.root):
            return f"{_NAME}/{path.relative_to(self.root).as_posix()}"
        return Path(os.path.relpath(path, self.project)).as_posix()

    def path(self, name: str) -> Path:
        """Return the file that `name` named."""
        first, _, rest = name.partition("/")
        return self.root / rest if first == _NAME else self.project / name
