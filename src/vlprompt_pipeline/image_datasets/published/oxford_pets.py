"""Oxford-IIIT Pet: 37 breeds of cats and dogs.

    oxford_pets/images/<Breed_name>_<number>.jpg
    oxford_pets/split_zhou_OxfordPets.json

A class is called like its files without their number, in lower case; labels follow the official
class numbers, less 1. The test part is the official one, train and val are drawn from trainval.
"""

from pathlib import PurePosixPath

from vlprompt_pipeline.image_datasets.download_recipe import (
    bundled_download,
    official_archive,
    split_file_download,
)
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.lookup import register_dataset
from vlprompt_pipeline.image_datasets.miniatures.annotate import split_file_writer
from vlprompt_pipeline.image_datasets.miniatures.form import MiniatureForm
from vlprompt_pipeline.image_datasets.path_labels import PathLabels
from vlprompt_pipeline.image_datasets.split import PartCounts
from vlprompt_pipeline.image_datasets.split_file import SPLIT_FILES, SplitFile


def _breed(path: PurePosixPath) -> str:
    """Return the class of an image: `Abyssinian_1.jpg` is of the breed `abyssinian`."""
    return path.stem.rpartition("_")[0].lower()


OXFORD_PETS = ImageDataset(
    name="oxford_pets",
    title="OxfordPets",
    folder="oxford_pets",
    image_prefix="images",
    split=SplitFile("split_zhou_OxfordPets.json"),
    template="a photo of a {}, a type of pet.",
    classes=37,
    counts=PartCounts(train=2944, val=736, test=3669),
    split_sha256="39c7249736dc8fb60935e0cb0a6bad02b92ce9043d33aa62de66129c254a978d",
    licence="CC BY-SA 4.0",
    citation="O. M. Parkhi, A. Vedaldi, A. Zisserman, C. V. Jawahar: Cats and dogs, CVPR 2012",
    source=(
        f"https://www.robots.ox.ac.uk/~vgg/data/pets (images) and {SPLIT_FILES} "
        "(split_zhou_OxfordPets.json)"
    ),
    column=3,
    download=bundled_download(
        "oxford_pets.zip",
        official_archive(
            "https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz",
            md5="5c4f3ee8e5d25df40f4fd59a7f44e54c",
            take="images",
            put="images",
        ),
        split_file_download("split_zhou_OxfordPets.json"),
    ),
    path_labels=PathLabels(class_key=_breed),
    few_shot_digests={
        (1, 1): ("cd2df5bce89f6d43", "d7ffbf1be71ad442"),
        (1, 2): ("0ba4c805f87102f4", "1427771258b1b71d"),
        (2, 1): ("9b1a60483f5c1f65", "5fea16df69cba537"),
        (2, 2): ("bdeba276fb12aff7", "68116eec01ae7d44"),
        (4, 1): ("c9711b2c22b82695", "8d0f5f0c773719e5"),
        (4, 2): ("587655f310178e7f", "d47b4fc91789167a"),
        (8, 1): ("85f4fa284f14cb4a", "05dbb5557fadb329"),
        (8, 2): ("77fd58d5a94f3594", "dfb3f7f9502c3e19"),
        (16, 1): ("711e62ca7ba4bf69", "b75fc02100f37a51"),
        (16, 2): ("3ecc09fd23ef3845", "6d954be12352e3e9"),
    },
    miniature=MiniatureForm(
        split_file_writer("split_zhou_OxfordPets.json"),
        [
            ("Abyssinian_{number}.jpg", "abyssinian"),
            ("american_bulldog_{number}.jpg", "american_bulldog"),
            ("basset_hound_{number}.jpg", "basset_hound"),
            ("beagle_{number}.jpg", "beagle"),
        ],
    ),
)
register_dataset(OXFORD_PETS)
