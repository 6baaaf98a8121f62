"""ImageNet-A: photos of 200 classes of ImageNet that networks mistake. For testing only.

    imagenet-adversarial/imagenet-a/<WordNet id>/<file>.jpg
    imagenet-adversarial/classnames.txt

Labels count its own 200 classes, among which it is scored, in ASCII order of their ids.
"""

from vlprompt_pipeline.image_datasets.class_folders import CLASS_NAME_FILE, ClassFolders
from vlprompt_pipeline.image_datasets.download_recipe import bundled_download
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.lookup import register_dataset
from vlprompt_pipeline.image_datasets.miniatures.form import MiniatureForm
from vlprompt_pipeline.image_datasets.miniatures.imagenet import (
    GOLDFISH,
    MISSILE_TOO,
    TEST_ONLY,
    WALLET,
    imagenet_classes_and_read_me,
)
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
    column=14,
    download=bundled_download("imagenet-adversarial.zip"),
    miniature=MiniatureForm(
        imagenet_classes_and_read_me("imagenet-a"),
        [
            (f"{GOLDFISH}/0.{{serial:06}}_fox.jpg", "goldfish"),
            (f"{MISSILE_TOO}/0.{{serial:06}}_pole.jpg", "missile"),
            (f"{WALLET}/0.{{serial:06}}_book.jpg", "wallet"),
        ],
        per_class=TEST_ONLY,
    ),
)
register_dataset(IMAGENET_A)
