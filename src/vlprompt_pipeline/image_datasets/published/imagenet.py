"""ImageNet (ILSVRC 2012): 1,000 classes, the source of the cross-dataset protocols.

    imagenet/images/train/<WordNet id>/<file>.JPEG
    imagenet/images/val/<WordNet id>/<file>.JPEG
    imagenet/classnames.txt

The official validation images are the test part, as in all published results; nothing is left for
a val part (the published code names the test images there too, we leave it empty). See
`class_folders` for the class names, the labels and why few-shot sets differ from published ones.
"""

from vlprompt_pipeline.image_datasets.class_folders import CLASS_NAME_FILE, ClassFolders
from vlprompt_pipeline.image_datasets.download_recipe import DownloadRecipe
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.lookup import register_dataset
from vlprompt_pipeline.image_datasets.miniatures.form import MiniatureForm
from vlprompt_pipeline.image_datasets.miniatures.imagenet import (
    IMAGENET_CLASSES,
    write_imagenet_classes,
)
from vlprompt_pipeline.image_datasets.split import PartCounts

IMAGENET = ImageDataset(
    name="imagenet",
    title="ImageNet",
    folder="imagenet",
    image_prefix="images",
    split=ClassFolders(
        parts={"train": "train", "test": "val"}, sorted_with="vlprompt sort-imagenet-val"
    ),
    template="a photo of a {}.",
    classes=1000,
    counts=PartCounts(train=1281167, val=0, test=50000),
    licence="non-commercial research and education, by the terms of image-net.org",
    citation=(
        "J. Deng, W. Dong, R. Socher, L.-J. Li, K. Li, L. Fei-Fei: ImageNet, a large-scale "
        "hierarchical image database, CVPR 2009"
    ),
    source=(
        "https://image-net.org, ILSVRC 2012, the validation images moved into a folder per "
        f"class (images) and {CLASS_NAME_FILE} (classnames.txt)"
    ),
    column=1,
    download=DownloadRecipe(
        sources=(),
        by_hand=(
            "imagenet cannot be fetched by a program, because its licence is granted to a person: "
            "(1) ask for access at https://image-net.org/download, (2) get "
            "ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar, (3) unpack the first, and each "
            "of the 1,000 archives in it, into "
            "<dataset_root>/imagenet/images/train/<WordNet id>/, (4) unpack the second into "
            "images/val/ and sort it with vlprompt sort-imagenet-val (docs/datasets.md), "
            "(5) put classnames.txt of "
            "https://github.com/KaiyangZhou/CoOp/blob/main/DATASETS.md into "
            "<dataset_root>/imagenet/"
        ),
    ),
    miniature=MiniatureForm(
        write_imagenet_classes,
        [
            (f"{{folder}}/{key}/{key}_{{number}}.JPEG", name)
            for key, name in IMAGENET_CLASSES.items()
        ],
        per_class=PartCounts(train=16, val=0, test=3),
        part_folders=("train", "val"),
    ),
)
register_dataset(IMAGENET)
