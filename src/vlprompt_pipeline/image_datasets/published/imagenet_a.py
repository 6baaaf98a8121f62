"""ImageNet-A: photos of 200 classes of ImageNet that networks mistake. For testing only.

    imagenet-adversarial/imagenet-a/<WordNet id>/<file>.jpg
    imagenet-adversarial/classnames.txt

Labels count its own 200 classes, among which it is scored, in ASCII order of their ids.
"""

from vlprompt_pipeline.image_datasets.class_folders import ClassFolders
from vlprompt_pipeline.image_datasets.imagenet_shift import imagenet_shift
from vlprompt_pipeline.image_datasets.miniatures.imagenet import GOLDFISH, MISSILE_TOO, WALLET

imagenet_shift(
    name="imagenet_a",
    title="ImageNet-A",
    folder="imagenet-adversarial",
    image_prefix="imagenet-a",
    split=ClassFolders(parts={"test": ""}, subset=True),
    classes=200,
    test=7500,
    citation=(
        "D. Hendrycks, K. Zhao, S. Basart, J. Steinhardt, D. Song: Natural adversarial examples, "
        "CVPR 2021"
    ),
    images="https://github.com/hendrycks/natural-adv-examples",
    column=14,
    miniature=[
        (f"{GOLDFISH}/0.{{serial:06}}_fox.jpg", "goldfish"),
        (f"{MISSILE_TOO}/0.{{serial:06}}_pole.jpg", "missile"),
        (f"{WALLET}/0.{{serial:06}}_book.jpg", "wallet"),
    ],
)
