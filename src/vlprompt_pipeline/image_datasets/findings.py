"""What a person should know about a folder or table of own photos before trusting a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vlprompt_pipeline.image_datasets.image_folders import ignored_files
from vlprompt_pipeline.image_datasets.presence import printable
from vlprompt_pipeline.wording import some


@dataclass(frozen=True)
class Findings:
    """What was found beside the images themselves.

    Attributes:
        ignored_files: number of files that are no images by their ending, by ending.
        loose_images: number of images that lie outside every class folder, and so have no class.
        empty_classes: class folders without an image; they are no classes.
        single_image_classes: names of classes with one image in all.
        untested_classes: names of classes without a test image. They cannot be scored, so a check
            refuses them.
        alike_classes: groups of class folders whose names differ only in upper and lower case or
            in how accents are encoded, or not at all once underscores are spaces.
        unread_columns: columns of a table that say nothing here.
        left_out: (path, reason) of images that cannot be read and were left out, as was asked for.
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
        sentences = []
        if self.ignored_files:
            sentences.append(ignored_files(self.ignored_files))
        if self.loose_images:
            sentences.append(
                f"images ignored because they lie in no class folder: {self.loose_images}"
            )
        if self.empty_classes:
            sentences.append(f"class folders without an image: {some(self.empty_classes)}")
        if self.single_image_classes:
            sentences.append(f"classes with one image only: {some(self.single_image_classes)}")
        if self.alike_classes:
            alike = ["/".join(group) for group in self.alike_classes]
            sentences.append(f"classes that are called alike: {some(alike)}")
        if self.unread_columns:
            sentences.append(f"columns that are not read: {some(self.unread_columns)}")
        if self.left_out:
            broken = [f"{printable(path)} ({reason})" for path, reason in self.left_out]
            sentences.append(f"photos that cannot be read, left out: {some(broken)}")
        return sentences
