"""Food-101: dishes, 1,000 photos of each.

    food-101/images/<dish_name>/<number>.jpg
    food-101/split_zhou_Food101.json

A class is called like its folder; labels follow the ASCII order of the folders. The parts are not
those of the official `meta` folder: they exist in the split file only, whose content is not
compared with a hash (none is known to us), only its counts.
"""

from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.split import PartCounts
from vlprompt_pipeline.image_datasets.split_file import SPLIT_FILES, SplitFile

FOOD101 = ImageDataset(
    name="food101",
    title="Food101",
    folder="food-101",
    image_prefix="images",
    split=SplitFile("split_zhou_Food101.json"),
    template="a photo of {}, a type of food.",
    classes=101,
    counts=PartCounts(train=50500, val=20200, test=30300),
    licence="scientific fair use; the photos are of the users of Foodspotting",
    citation=(
        "L. Bossard, M. Guillaumin, L. Van Gool: Food-101, mining discriminative components with "
        "random forests, ECCV 2014"
    ),
    source=(
        f"https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101 (images) and {SPLIT_FILES} "
        "(split_zhou_Food101.json)"
    ),
)
