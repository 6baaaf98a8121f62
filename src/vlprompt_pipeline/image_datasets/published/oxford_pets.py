"""Oxford-IIIT Pet: 37 breeds of cats and dogs.

    oxford_pets/images/<Breed_name>_<number>.jpg
    oxford_pets/split_zhou_OxfordPets.json

A class is called like its files without their number, in lower case; labels follow the official
class numbers, less 1. The test part is the official one, train and val are drawn from trainval.
"""

from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.split import PartCounts
from vlprompt_pipeline.image_datasets.split_file import SPLIT_FILES, SplitFile

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
)
