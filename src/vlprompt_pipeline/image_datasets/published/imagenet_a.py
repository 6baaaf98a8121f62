"""ImageNet-A: photos of 200 classes of ImageNet that networks mistake. For testing only.

    imagenet-adversarial/imagenet-a/<WordNet id>/<file>.jpg
    imagenet-adversarial/classnames.txt

Labels count its own 200 classes, among which it is scored, in ASCII order of their ids.
"""

from vlprompt_pipeline.image_datasets.class_folders import CLASS_NAME_FILE, ClassFolders
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.split import PartCounts

IMAGENET_A = ImageDataset(
    name="imagenet_a",
    title="ImageNet-A",
    folder="imagenet-adversarial",
    image_prefix="imagenet-a",
    split=ClassFolders(parts={"test": ""}, subset=True),
    template="a photo of a {}.",
    classes=200,
    counts=PartCounts(train=0, val=0, test=7500),
    licence="MIT",
    citation=(
        "D. Hendrycks, K. Zhao, S. Basart, J. Steinhardt, D. Song: Natural adversarial examples, "
        "CVPR 2021"
    ),
    source=(
        f"https://github.com/hendrycks/natural-adv-examples (images) and {CLASS_NAME_FILE} "
        "(classnames.txt)"
    ),
    shift_of="imagenet",
)
