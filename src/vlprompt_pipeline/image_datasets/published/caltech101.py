"""Caltech-101: 100 kinds of objects (`BACKGROUND_Google` and `Faces_easy` are left out).

    caltech-101/101_ObjectCategories/<folder>/image_0001.jpg
    caltech-101/split_zhou_Caltech101.json

Labels follow the ASCII order of the folder names, capitals first. The split file renames
airplanes, Faces, Leopards and Motorbikes to airplane, face, leopard and motorbike.
"""

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
    column=2,
    download=bundled_download(
        "caltech-101.zip",
        official_archive(
            "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
            md5="3138e1922a9193bfa496528edbbc45d0",
            take="101_ObjectCategories",
            put="101_ObjectCategories",
            inner="caltech-101/101_ObjectCategories.tar.gz",
        ),
        split_file_download("split_zhou_Caltech101.json"),
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
    few_shot_digests={
        (1, 1): ("33173bedf9adcd53", "d8cdaf6e3fcfdfff"),
        (1, 2): ("9a0e5969df4d1678", "fc02914307cada68"),
        (2, 1): ("124d5e5f5047575d", "bcd862b4736c13b6"),
        (2, 2): ("a617abcf82d5fa43", "3b4ae3e7e6c48c71"),
        (4, 1): ("f996bf609c4ea589", "9562109330fe031a"),
        (4, 2): ("3d5375f34dec6989", "7c6ef2790a9d82f0"),
        (8, 1): ("edc8b6967dfb76af", "7937b0dafbd4ec61"),
        (8, 2): ("5c60464053a5a63e", "b0dc0a446701ef23"),
        (16, 1): ("e60a836bd33cbba3", "53555d3fce94587d"),
        (16, 2): ("62be9f804c23dea9", "0ac3f0ace7d75ed1"),
    },
    miniature=MiniatureForm(
        split_file_writer("split_zhou_Caltech101.json"),
        [
            ("Faces/image_{number:04}.jpg", "face"),
            ("Leopards/image_{number:04}.jpg", "leopard"),
            ("airplanes/image_{number:04}.jpg", "airplane"),
            ("car_side/image_{number:04}.jpg", "car_side"),
        ],
    ),
)
register_dataset(CALTECH101)
