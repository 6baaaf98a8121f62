"""Oxford-IIIT Pet: 37 breeds of cats and dogs.

    oxford_pets/images/<Breed_name>_<number>.jpg
    oxford_pets/split_zhou_OxfordPets.json

A class is called like its files without their number, in lower case; labels follow the official
class numbers, less 1. The test part is the official one, train and val are drawn from trainval.
"""

from pathlib import PurePosixPath

from vlprompt_pipeline.image_datasets.download_recipe import Checksum, DownloadFile
from vlprompt_pipeline.image_datasets.path_labels import PathLabels
from vlprompt_pipeline.image_datasets.split import PartCounts
from vlprompt_pipeline.image_datasets.split_file_dataset import split_file_dataset


def _breed(path: PurePosixPath) -> str:
    """Return the class of an image: `Abyssinian_1.jpg` is of the breed `abyssinian`."""
    return path.stem.rpartition("_")[0].lower()


split_file_dataset(
    name="oxford_pets",
    title="OxfordPets",
    folder="oxford_pets",
    image_prefix="images",
    split_file="split_zhou_OxfordPets.json",
    template="a photo of a {}, a type of pet.",
    classes=37,
    counts=PartCounts(train=2944, val=736, test=3669),
    split_sha256="39c7249736dc8fb60935e0cb0a6bad02b92ce9043d33aa62de66129c254a978d",
    licence="CC BY-SA 4.0",
    citation="O. M. Parkhi, A. Vedaldi, A. Zisserman, C. V. Jawahar: Cats and dogs, CVPR 2012",
    images="https://www.robots.ox.ac.uk/~vgg/data/pets",
    column=3,
    bundle="oxford_pets.zip",
    archive=DownloadFile(
        url="https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz",
        checksum=Checksum("md5", "5c4f3ee8e5d25df40f4fd59a7f44e54c"),
        take="images",
        put="images",
    ),
    path_labels=PathLabels(class_key=_breed),
    miniature=[
        ("Abyssinian_{number}.jpg", "abyssinian"),
        ("american_bulldog_{number}.jpg", "american_bulldog"),
        ("basset_hound_{number}.jpg", "basset_hound"),
        ("beagle_{number}.jpg", "beagle"),
    ],
)
