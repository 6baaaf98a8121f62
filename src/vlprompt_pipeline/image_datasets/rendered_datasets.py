"""The rendered datasets as benchmarks: drawn on first use, so that everything runs offline."""

from functools import partial

from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.rendered import RENDERED, render_dataset
from vlprompt_pipeline.image_datasets.split import PartCounts
from vlprompt_pipeline.image_datasets.split_file import SplitFile

RENDERED_DATASETS = tuple(
    ImageDataset(
        name=world.name,
        title=world.title,
        folder=world.name,
        image_prefix="",
        split=SplitFile("split.json"),
        template=world.template,
        classes=len(world.classes),
        counts=PartCounts(**{part: len(world.classes) * n for part, n in world.images.items()}),
        licence="MIT",
        citation="rendered by vlprompt_pipeline",
        source="the package itself: delete the folder and run again to render it anew",
        shift_of=world.shift_of,
        make=partial(render_dataset, world.name),
    )
    for world in RENDERED.values()
)
