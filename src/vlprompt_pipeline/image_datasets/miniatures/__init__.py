"""The published datasets as miniatures: a few tiny pictures in the real layout, made on first use.

Each is a benchmark of its own, `miniature_<name>`, that expects exactly what is written: what is
expected of the whole datasets is never loosened for it, and its results never pass for theirs.
"""

from dataclasses import replace
from functools import partial

from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.miniatures.forms import FORMS, miniature_rows
from vlprompt_pipeline.image_datasets.miniatures.writer import make_miniature, write_files
from vlprompt_pipeline.image_datasets.published import PUBLISHED_DATASETS
from vlprompt_pipeline.image_datasets.split import PartCounts

__all__ = [
    "FORMS",
    "MINIATURE_DATASETS",
    "PREFIX",
    "make_miniature",
    "miniature_of",
    "miniature_rows",
    "write_files",
]

PREFIX = "miniature_"


def miniature_of(official: ImageDataset) -> ImageDataset:
    """The benchmark that expects the miniature of a published one."""
    form = FORMS[official.name]
    return replace(
        official,
        name=f"{PREFIX}{official.name}",
        title=f"{official.title}, miniature",
        classes=len(form.classes),
        counts=PartCounts(*(len(form.classes) * number for number in form.per_class)),
        split_sha256=None,
        licence="MIT",
        citation=f"noise in the form of: {official.citation}",
        source="the package itself: delete the folder and run again to make it anew",
        shift_of=official.shift_of and f"{PREFIX}{official.shift_of}",
        make=partial(make_miniature, official.name),
    )


MINIATURE_DATASETS = tuple(map(miniature_of, PUBLISHED_DATASETS))
