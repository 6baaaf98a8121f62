"""The rendered datasets: drawn on first use, so that everything runs offline."""

from functools import partial

from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.lookup import register_dataset
from vlprompt_pipeline.image_datasets.rendered import RENDERED, render_dataset
from vlprompt_pipeline.image_datasets.split import PartCounts
from vlprompt_pipeline.image_datasets.split_file import SplitFile

for _world in RENDERED.values():
    register_dataset(
        ImageDataset(
            name=_world.name,
            title=_world.title,
            folder=_world.name,
            image_prefix="",
            split=SplitFile("split.json"),
            template=_world.template,
            classes=len(_world.classes),
            counts=PartCounts(
                **{part: len(_world.classes) * n for part, n in _world.images.items()}
            ),
            licence="MIT",
            citation="rendered by vlprompt_pipeline",
            source="the package itself: delete the folder and run again to render it anew",
            shift_of=_world.shift_of,
            make=partial(render_dataset, _world.name),
        )
    )
