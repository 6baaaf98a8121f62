"""Food-101: dishes, 1,000 photos of each.

    food-101/images/<dish_name>/<number>.jpg
    food-101/split_zhou_Food101.json

A class is called like its folder; labels follow the ASCII order of the folders. The parts are not
those of the official `meta` folder: they exist in the split file only, whose content is not
compared with a hash (none is known to us), only its counts.
"""

from vlprompt_pipeline.image_datasets.miniatures.form import same_pattern
from vlprompt_pipeline.image_datasets.path_labels import PathLabels
from vlprompt_pipeline.image_datasets.split import PartCounts
from vlprompt_pipeline.image_datasets.split_file import OTHER_SPLIT_FILES
from vlprompt_pipeline.image_datasets.split_file_dataset import split_file_dataset

split_file_dataset(
    name="food101",
    title="Food101",
    folder="food-101",
    image_prefix="images",
    split_file="split_zhou_Food101.json",
    template="a photo of {}, a type of food.",
    classes=101,
    counts=PartCounts(train=50500, val=20200, test=30300),
    licence="scientific fair use; the photos are of the users of Foodspotting",
    citation=(
        "L. Bossard, M. Guillaumin, L. Van Gool: Food-101, mining discriminative components with "
        "random forests, ECCV 2014"
    ),
    images="https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101",
    splits=OTHER_SPLIT_FILES,
    column=6,
    bundle="food101.zip",
    path_labels=PathLabels(),
    miniature=same_pattern("*/{serial}.jpg", "apple_pie", "baklava", "ceviche", "waffles"),
)
