"""ImageNet-R: paintings, toys, tattoos and the like of 200 classes of ImageNet. For testing only.

    imagenet-rendition/imagenet-r/<WordNet id>/<file>.jpg
    imagenet-rendition/classnames.txt

Labels count its own 200 classes, among which it is scored, in ASCII order of their ids.
"""

from vlprompt_pipeline.image_datasets.class_folders import CLASS_NAME_FILE, ClassFolders
from vlprompt_pipeline.image_datasets.download_recipe import bundled_download
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.lookup import register_dataset
from vlprompt_pipeline.image_datasets.miniatures.form import MiniatureForm
from vlprompt_pipeline.image_datasets.miniatures.imagenet import (
    MISSILE,
    MISSILE_TOO,
    TEST_ONLY,
    imagenet_classes_and_read_me,
)
from vlprompt_pipeline.image_datasets.split import PartCounts

IMAGENET_R = ImageDataset(
    name="imagenet_r",
    title="ImageNet-R",
    folder="imagenet-rendition",
    image_prefix="imagenet-r",
    split=ClassFolders(parts={"test": ""}, subset=True),
    template="a photo of a {}.",
    classes=200,
    counts=PartCounts(train=0, val=0, test=30000),
    licence="MIT",
    citation=(
        "D. Hendrycks, S. Basart, N. Mu, S. Kadavath, F. Wang, E. Dorundo, R. Desai, T. Zhu, S. "
        "Parajuli, M. Guo, D. Song, J. Steinhardt, J. Gilmer: The many faces of robustness, ICCV "
        "2021"
    ),
    source=(
        f"https://github.com/hendrycks/imagenet-r (images) and {CLASS_NAME_FILE} (classnames.txt)"
    ),
    shift_of="imagenet",
    column=15,
    download=bundled_download("imagenet-rendition.zip"),
    miniature=MiniatureForm(
        imagenet_classes_and_read_me("imagenet-r"),
        [
            (f"{MISSILE}/art_{{number}}.jpg", "missile"),
            (f"{MISSILE_TOO}/toy_{{number}}.jpg", "missile"),
        ],
        per_class=TEST_ONLY,
    ),
)
register_dataset(IMAGENET_R)
