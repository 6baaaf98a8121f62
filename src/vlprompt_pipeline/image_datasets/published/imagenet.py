"""ImageNet (ILSVRC 2012): 1,000 classes, the source of the cross-dataset protocols.

    imagenet/images/train/<WordNet id>/<file>.JPEG
    imagenet/images/val/<WordNet id>/<file>.JPEG
    imagenet/classnames.txt

The official validation images are the test part, as in all published results; nothing is left for
a val part (the published code names the test images there too, we leave it empty). See
`class_folders` for the class names, the labels and why few-shot sets differ from published ones.
"""

from vlprompt_pipeline.image_datasets.class_folders import CLASS_NAME_FILE, ClassFolders
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.split import PartCounts

IMAGENET = ImageDataset(
    name="imagenet",
    title="ImageNet",
    folder="imagenet",
    image_prefix="images",
    split=ClassFolders(parts={"train": "train", "test": "val"}),
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
)
