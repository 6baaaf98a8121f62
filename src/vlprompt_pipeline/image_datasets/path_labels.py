"""How the path of an image tells its class, where the official split file is not at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from vlprompt_pipeline.wording import readable


def first_folder(path: PurePosixPath) -> str:
    """Return the first folder of a path; "" for an image that lies in none."""
    return path.parts[0] if len(path.parts) > 1 else ""


@dataclass(frozen=True)
class PathLabels:
    """Tell classes by paths; the default is a folder for each class, called like it.

    Attributes:
        class_key: key of the class of an image, by its path; "" for images of none.
        class_name: name of a class, by its key.
        label_order: value that classes are sorted by for their labels, by key.
        renamed: names of classes that are called otherwise, by key.
        ignored: keys that are no class.
    """

    class_key: Callable[[PurePosixPath], str] = first_folder
    class_name: Callable[[str], str] = readable
    label_order: Callable[[str], str] = str
    renamed: Mapping[str, str] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
