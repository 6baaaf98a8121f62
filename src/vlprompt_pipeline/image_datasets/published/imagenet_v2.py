"""ImageNetV2, matched frequency: new photos of the classes of ImageNet. For testing only.

    imagenetv2/imagenetv2-matched-frequency-format-val/<0..999>/<file>.jpeg
    imagenetv2/classnames.txt

A folder's number is the place of its class in `classnames.txt`, counted from 0.
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

IMAGENET_V2 = ImageDataset(
    name="imagenet_v2",
    title="ImageNetV2",
    folder="imagenetv2",
    image_prefix="imagenetv2-matched-frequency-format-val",
    split=ClassFolders(parts={"test": ""}, numbered=True),
    template="a photo of a {}.",
    classes=1000,
    counts=PartCounts(train=0, val=0, test=10000),
    licence="MIT",
    citation=(
        "B. Recht, R. Roelofs, L. Schmidt, V. Shankar: Do ImageNet classifiers generalize to "
        "ImageNet?, ICML 2019"
    ),
    source=(
        "https://huggingface.co/datasets/vaishaal/ImageNetV2, imagenetv2-matched-frequency "
        f"(images) and {CLASS_NAME_FILE} (classnames.txt)"
    ),
    shift_of="imagenet",
    column=12,
    download=bundled_download("imagenetv2.zip"),
    miniature=MiniatureForm(
        write_imagenet_classes,
        [
            (f"{number}/{{serial:x}}.jpeg", name)
            for number, name in enumerate(IMAGENET_CLASSES.values())
        ],
        per_class=TEST_ONLY,
    ),
)
register_dataset(IMAGENET_V2)
