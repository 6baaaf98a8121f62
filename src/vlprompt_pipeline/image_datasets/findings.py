"""What a person should know about a folder or table of own photos before trusting a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vlprompt_pipeline.image_datasets.image_folders import ignored_files
from vlprompt_pipeline.wording import some


@dataclass(frozen=True)
class Findings:
    """What was found beside the images themselves.

    Attributes:
        ignored_files: number of files whose ending is not that of an image, by ending.
        loose_images: number of images outside every class folder, which have no class.
        empty_classes: class folders without an image; they do not count as classes.
        single_image_classes: names of classes with one image in all.
        untested_classes: names of classes without a test image. They cannot be scored, so a check
            refuses them.
        alike_classes: groups of class folders whose names differ only in upper and lower case or
            in how accents are encoded, or not at all once underscores are spaces.
        unread_columns: columns of a table that are not used.
        left_out: (path, reason) of images that cannot be read and were left out on request.
    """

    ignored_files: Mapping[str, int]
    loose_images: int
    empty_classes: tuple[str, ...]
    single_image_classes: tuple[str, ...]
    untested_classes: tuple[str, ...]
    alike_classes: tuple[tuple[str, ...], ...]
    unread_columns: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()

    def sentences(self) -> list[str]:
        """Return a clause for each finding but `untested_classes`; an empty list if all is well."""
        listed = {
            "class folders without an image": self.empty_classes,
            "classes with one image only": self.single_image_classes,
            "classes that are called alike": ["/".join(group) for group in self.alike_classes],
            "columns that are not read": self.unread_columns,
            "photos that cannot be read, left out": [
                f"{path} ({reason})" for path, reason in self.left_out
            ],
        }
        loose = "images ignored because they lie in no class folder"
        return [
            *([ignored_files(self.ignored_files)] if self.ignored_files else []),
            *([f"{loose}: {self.loose_images}"] if self.loose_images else []),
            *(f"{what}: {some(names)}" for what, names in listed.items() if names),
        ]
