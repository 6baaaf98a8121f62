"""ImageNet-Sketch: drawings of the classes of ImageNet. For testing only.

imagenet-sketch/images/<WordNet id>/<file>.JPEG
imagenet-sketch/classnames.txt
"""

from vlprompt_pipeline.image_datasets.class_folders import CLASS_NAME_FILE, ClassFolders
from vlprompt_pipeline.image_datasets.download_recipe import bundled_download
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.lookup import register_dataset
from vlprompt_pipeline.image_datasets.miniatures.form import MiniatureForm
from vlprompt_pipeline.image_datasets.miniatures.imagenet import (
    IMAGENET_CLASSES,
    TEST_ONLY,
    write_imagenet_classes,
)
from vlprompt_pipeline.image_datasets.split import PartCounts

IMAGENET_SKETCH = ImageDataset(
    name="imagenet_sketch",
    title="ImageNet-Sketch",
    folder="imagenet-sketch",
    image_prefix="images",
    split=ClassFolders(parts={"test": ""}),
    template="a photo of a {}.",
    classes=1000,
    counts=PartCounts(train=0, val=0, test=50889),
    licence="MIT",
    citation=(
        "H. Wang, S. Ge, Z. C. Lipton, E. P. Xing: Learning robust global representations by "
        "penalizing local predictive power, NeurIPS 2019"
    ),
    source=(
        "https://github.com/HaohanWang/ImageNet-Sketch, the folder sketch renamed to images "
        f"(images) and {CLASS_NAME_FILE} (classnames.txt)"
    ),
    shift_of="imagenet",
    column=13,
    download=bundled_download("imagenet-sketch.zip"),
    miniature=MiniatureForm(
        write_imagenet_classes,
        [(f"{key}/sketch_{{number}}.JPEG", name) for key, name in IMAGENET_CLASSES.items()],
        per_class=TEST_ONLY,
    ),
)
register_dataset(IMAGENET_SKETCH)
