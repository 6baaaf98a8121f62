"""ImageNet-Sketch: drawings of the classes of ImageNet. For testing only.

imagenet-sketch/images/<WordNet id>/<file>.JPEG
imagenet-sketch/classnames.txt
"""

from vlprompt_pipeline.image_datasets.class_folders import CLASS_NAME_FILE, ClassFolders
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
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
)
