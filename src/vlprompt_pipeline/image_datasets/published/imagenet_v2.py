"""ImageNetV2, matched frequency: new photos of the classes of ImageNet. For testing only.

    imagenetv2/imagenetv2-matched-frequency-format-val/<0..999>/<file>.jpeg
    imagenetv2/classnames.txt

A folder's number is the place of its class in `classnames.txt`, counted from 0.
"""

from vlprompt_pipeline.image_datasets.class_folders import CLASS_NAME_FILE, ClassFolders
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
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
)
