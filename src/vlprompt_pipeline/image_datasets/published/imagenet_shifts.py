"""The four shifted variants of ImageNet: the same classes in another look, for testing only.

    imagenetv2/imagenetv2-matched-frequency-format-val/<0..999>/<file>.jpeg
    imagenet-sketch/images/<WordNet id>/<file>.JPEG
    imagenet-adversarial/imagenet-a/<WordNet id>/<file>.jpg
    imagenet-rendition/imagenet-r/<WordNet id>/<file>.jpg
    <each of these>/classnames.txt

A folder's number in ImageNetV2 is the place of its class in `classnames.txt`, counted from 0.
Labels of ImageNet-A and -R count their own 200 classes, among which they are scored, in ASCII order
of their ids.
"""

from __future__ import annotations

from typing import Any

from vlprompt_pipeline.image_datasets.class_folders import CLASS_NAME_FILE, ClassFolders
from vlprompt_pipeline.image_datasets.download_recipe import bundled_download
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.lookup import register_dataset
from vlprompt_pipeline.image_datasets.miniatures.form import MiniatureForm
from vlprompt_pipeline.image_datasets.miniatures.imagenet import (
    GOLDFISH,
    IMAGENET_CLASSES,
    MISSILE,
    MISSILE_TOO,
    TEST_ONLY,
    WALLET,
    imagenet_classes_and_read_me,
    write_imagenet_classes,
)
from vlprompt_pipeline.image_datasets.split import PartCounts


def _variant(*, folder: str, test: int, images: str, **described: Any) -> None:
    """Register a variant of so many test images; `images` is where a person gets them."""
    register_dataset(
        ImageDataset(
            folder=folder,
            template="a photo of a {}.",
            counts=PartCounts(train=0, val=0, test=test),
            licence="MIT",
            source=f"{images} (images) and {CLASS_NAME_FILE} (classnames.txt)",
            shift_of="imagenet",
            download=bundled_download(f"{folder}.zip"),
            **described,
        )
    )


_variant(
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
    images=("https://huggingface.co/datasets/vaishaal/ImageNetV2, imagenetv2-matched-frequency"),
    column=12,
    miniature=MiniatureForm(
        write_imagenet_classes,
        [
            (f"{number}/{{serial:x}}.jpeg", name)
            for number, name in enumerate(IMAGENET_CLASSES.values())
        ],
        per_class=TEST_ONLY,
    ),
)
_variant(
    name="imagenet_sketch",
    title="ImageNet-Sketch",
    folder="imagenet-sketch",
    image_prefix="images",
    split=ClassFolders(parts={"test": ""}),
    classes=1000,
    test=50889,
    citation=(
        "H. Wang, S. Ge, Z. C. Lipton, E. P. Xing: Learning robust global representations by "
        "penalizing local predictive power, NeurIPS 2019"
    ),
    images=("https://github.com/HaohanWang/ImageNet-Sketch, the folder sketch renamed to images"),
    column=13,
    miniature=MiniatureForm(
        write_imagenet_classes,
        [(f"{key}/sketch_{{number}}.JPEG", name) for key, name in IMAGENET_CLASSES.items()],
        per_class=TEST_ONLY,
    ),
)
_variant(
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
_variant(
    name="imagenet_r",
    title="ImageNet-R",
    folder="imagenet-rendition",
    image_prefix="imagenet-r",
    split=ClassFolders(parts={"test": ""}, subset=True),
    classes=200,
    test=30000,
    citation=(
        "D. Hendrycks, S. Basart, N. Mu, S. Kadavath, F. Wang, E. Dorundo, R. Desai, T. Zhu, S. "
        "Parajuli, M. Guo, D. Song, J. Steinhardt, J. Gilmer: The many faces of robustness, ICCV "
        "2021"
    ),
    images="https://github.com/hendrycks/imagenet-r",
    column=15,
    miniature=MiniatureForm(
        imagenet_classes_and_read_me("imagenet-r"),
        [
            (f"{MISSILE}/art_{{number}}.jpg", "missile"),
            (f"{MISSILE_TOO}/toy_{{number}}.jpg", "missile"),
        ],
        per_class=TEST_ONLY,
    ),
)
