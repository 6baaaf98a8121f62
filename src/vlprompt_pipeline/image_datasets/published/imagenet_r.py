"""ImageNet-R: paintings, toys, tattoos and the like of 200 classes of ImageNet. For testing only.

    imagenet-rendition/imagenet-r/<WordNet id>/<file>.jpg
    imagenet-rendition/classnames.txt

Labels count its own 200 classes, among which it is scored, in ASCII order of their ids.
"""

from vlprompt_pipeline.image_datasets.class_folders import ClassFolders
from vlprompt_pipeline.image_datasets.imagenet_shift import imagenet_shift
from vlprompt_pipeline.image_datasets.miniatures.imagenet import MISSILE, MISSILE_TOO

imagenet_shift(
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
    miniature=[
        (f"{MISSILE}/art_{{number}}.jpg", "missile"),
        (f"{MISSILE_TOO}/toy_{{number}}.jpg", "missile"),
    ],
)
