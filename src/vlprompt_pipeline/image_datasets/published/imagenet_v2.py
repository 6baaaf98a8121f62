"""ImageNetV2, matched frequency: new photos of the classes of ImageNet. For testing only.

    imagenetv2/imagenetv2-matched-frequency-format-val/<0..999>/<file>.jpeg
    imagenetv2/classnames.txt

A folder's number is the place of its class in `classnames.txt`, counted from 0.
"""

from vlprompt_pipeline.image_datasets.class_folders import ClassFolders
from vlprompt_pipeline.image_datasets.imagenet_shift import imagenet_shift
from vlprompt_pipeline.image_datasets.miniatures.imagenet import IMAGENET_CLASSES

imagenet_shift(
    name="imagenet_v2",
    title="ImageNetV2",
    folder="imagenetv2",
    image_prefix="imagenetv2-matched-frequency-format-val",
    split=ClassFolders(parts={"test": ""}, numbered=True),
    classes=1000,
    test=10000,
    citation=(
        "B. Recht, R. Roelofs, L. Schmidt, V. Shankar: Do ImageNet classifiers generalize to "
        "ImageNet?, ICML 2019"
    ),
    images="https://huggingface.co/datasets/vaishaal/ImageNetV2, imagenetv2-matched-frequency",
    column=12,
    miniature=[
        (f"{number}/{{serial:x}}.jpeg", name)
        for number, name in enumerate(IMAGENET_CLASSES.values())
    ],
)
