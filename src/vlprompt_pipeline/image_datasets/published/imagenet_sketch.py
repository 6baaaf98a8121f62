"""ImageNet-Sketch: drawings of the classes of ImageNet. For testing only.

imagenet-sketch/images/<WordNet id>/<file>.JPEG
imagenet-sketch/classnames.txt
"""

from vlprompt_pipeline.image_datasets.class_folders import ClassFolders
from vlprompt_pipeline.image_datasets.imagenet_shift import imagenet_shift
from vlprompt_pipeline.image_datasets.miniatures.imagenet import IMAGENET_CLASSES

imagenet_shift(
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
    images="https://github.com/HaohanWang/ImageNet-Sketch, the folder sketch renamed to images",
    column=13,
    miniature=[(f"{key}/sketch_{{number}}.JPEG", name) for key, name in IMAGENET_CLASSES.items()],
)
