"""Caltech-101: 100 kinds of objects (`BACKGROUND_Google` and `Faces_easy` are left out).

    caltech-101/101_ObjectCategories/<folder>/image_0001.jpg
    caltech-101/split_zhou_Caltech101.json

Labels follow the ASCII order of the folder names, capitals first. The split file renames
airplanes, Faces, Leopards and Motorbikes to airplane, face, leopard and motorbike.
"""

from vlprompt_pipeline.image_datasets.download_recipe import Checksum, DownloadFile
from vlprompt_pipeline.image_datasets.path_labels import PathLabels
from vlprompt_pipeline.image_datasets.split import PartCounts
from vlprompt_pipeline.image_datasets.split_file_dataset import split_file_dataset

split_file_dataset(
    name="caltech101",
    title="Caltech101",
    folder="caltech-101",
    image_prefix="101_ObjectCategories",
    split_file="split_zhou_Caltech101.json",
    template="a photo of a {}.",
    classes=100,
    counts=PartCounts(train=4128, val=1649, test=2465),
    split_sha256="5401555d17c242065663943f4e2f4a01f26c8d3a188841e187817b9c88718fdd",
    licence="CC BY 4.0",
    citation=(
        "L. Fei-Fei, R. Fergus, P. Perona: Learning generative visual models from few training "
        "examples, CVPR Workshop 2004"
    ),
    images="https://data.caltech.edu/records/mzrjq-6wc02",
    column=2,
    bundle="caltech-101.zip",
    archive=DownloadFile(
        url="https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
        checksum=Checksum("md5", "3138e1922a9193bfa496528edbbc45d0"),
        take="101_ObjectCategories",
        put="101_ObjectCategories",
        inner="caltech-101/101_ObjectCategories.tar.gz",
    ),
    path_labels=PathLabels(
        renamed={
            "airplanes": "airplane",
            "Faces": "face",
            "Leopards": "leopard",
            "Motorbikes": "motorbike",
        },
        ignored=frozenset({"BACKGROUND_Google", "Faces_easy"}),
    ),
    miniature=[
        ("Faces/image_{number:04}.jpg", "face"),
        ("Leopards/image_{number:04}.jpg", "leopard"),
        ("airplanes/image_{number:04}.jpg", "airplane"),
        ("car_side/image_{number:04}.jpg", "car_side"),
    ],
)
