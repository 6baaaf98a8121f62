"""Stanford Cars: 196 makes, models and years of cars.

    stanford_cars/cars_train/00001.jpg
    stanford_cars/cars_test/00001.jpg
    stanford_cars/split_zhou_StanfordCars.json

The split file's paths start at the dataset's folder. It moves the year to the front of a name
("2012 Acura RL Sedan"); labels follow the official class numbers, less 1. The rows of the test
part stand in the order of the files, not of the labels.
"""

from vlprompt_pipeline.image_datasets.miniatures.form import same_pattern
from vlprompt_pipeline.image_datasets.split import PartCounts
from vlprompt_pipeline.image_datasets.split_file_dataset import split_file_dataset

split_file_dataset(
    name="stanford_cars",
    title="StanfordCars",
    folder="stanford_cars",
    image_prefix="",
    split_file="split_zhou_StanfordCars.json",
    template="a photo of a {}.",
    classes=196,
    counts=PartCounts(train=6509, val=1635, test=8041),
    split_sha256="d34dd378919bba7d7e6b75aeb77fe3775beb83237babb86a52479251c7144b07",
    licence="not stated by the authors, who offer the images for research",
    citation=(
        "J. Krause, M. Stark, J. Deng, L. Fei-Fei: 3D object representations for fine-grained "
        "categorization, ICCV Workshop 2013"
    ),
    images="the mirrors of Stanford Cars on Kaggle, the folders cars_train/ and cars_test/",
    column=4,
    bundle="stanford_cars.zip",
    miniature=same_pattern(
        "cars_{folder}/{serial:05}.jpg",
        "2000 AM General Hummer SUV",
        "2012 Acura RL Sedan",
        "2012 Acura TL Sedan",
        "2008 Acura TL Type-S",
    ),
)
