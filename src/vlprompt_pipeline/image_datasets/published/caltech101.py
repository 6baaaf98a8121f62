"""Caltech-101: 100 kinds of objects (`BACKGROUND_Google` and `Faces_easy` are left out).

    caltech-101/101_ObjectCategories/<folder>/image_0001.jpg
    caltech-101/split_zhou_Caltech101.json

Labels follow the ASCII order of the folder names, capitals first. The split file renames
airplanes, Faces, Leopards and Motorbikes to airplane, face, leopard and motorbike.
"""

from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.split import PartCounts
from vlprompt_pipeline.image_datasets.split_file import SPLIT_FILES, SplitFile

CALTECH101 = ImageDataset(
    name="caltech101",
    title="Caltech101",
    folder="caltech-101",
    image_prefix="101_ObjectCategories",
    split=SplitFile("split_zhou_Caltech101.json"),
    template="a photo of a {}.",
    classes=100,
    counts=PartCounts(train=4128, val=1649, test=2465),
    split_sha256="5401555d17c242065663943f4e2f4a01f26c8d3a188841e187817b9c88718fdd",
    licence="CC BY 4.0",
    citation=(
        "L. Fei-Fei, R. Fergus, P. Perona: Learning generative visual models from few training "
        "examples, CVPR Workshop 2004"
    ),
    source=(
        f"https://data.caltech.edu/records/mzrjq-6wc02 (images) and {SPLIT_FILES} "
        "(split_zhou_Caltech101.json)"
    ),
)
