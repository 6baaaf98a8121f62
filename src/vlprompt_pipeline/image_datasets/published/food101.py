"""Food-101: dishes, 1,000 photos of each.

    food-101/images/<dish_name>/<number>.jpg
    food-101/split_zhou_Food101.json

A class is called like its folder; labels follow the ASCII order of the folders. The parts are not
those of the official `meta` folder: they exist in the split file only, whose content is not
compared with a hash (none is known to us), only its counts.
"""

from vlprompt_pipeline.image_datasets.download_recipe import bundled_download
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.lookup import register_dataset
from vlprompt_pipeline.image_datasets.miniatures.annotate import split_file_writer
from vlprompt_pipeline.image_datasets.miniatures.form import MiniatureForm, same_pattern
from vlprompt_pipeline.image_datasets.path_labels import PathLabels
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
    column=6,
    download=bundled_download("food101.zip"),
    path_labels=PathLabels(),
    few_shot_digests={
        (1, 1): ("cae5ee579995b772", "6780bdba44afe8d7"),
        (1, 2): ("55f90db2e57fbf8b", "65f4b4aa5ed9f996"),
        (2, 1): ("bc5b2299548ca242", "7b5e6beaea8e1b8b"),
        (2, 2): ("bf023275193929bf", "b32fb7e5a2446620"),
        (4, 1): ("88b1c21eaf747446", "ba967aa9468fd76e"),
        (4, 2): ("5a716c1b04b47564", "24dc5b6a557783ba"),
        (8, 1): ("d45f5b8ae04e6218", "9b4535dbf80af653"),
        (8, 2): ("3896e9383468226e", "8d40f49774c4296a"),
        (16, 1): ("8bcab0ea1c2dde7d", "0c299214865cccac"),
        (16, 2): ("f898246681fe85b9", "df956a77f86bcf20"),
    },
    miniature=MiniatureForm(
        split_file_writer("split_zhou_Food101.json"),
        same_pattern("*/{serial}.jpg", "apple_pie", "baklava", "ceviche", "waffles"),
    ),
)
register_dataset(FOOD101)
