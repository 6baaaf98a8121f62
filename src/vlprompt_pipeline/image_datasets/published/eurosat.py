"""EuroSAT: 10 kinds of land use in pictures of Sentinel-2, in red, green and blue.

    eurosat/2750/<ClassFolder>/<ClassFolder>_1.jpg
    eurosat/split_zhou_EuroSAT.json

Labels follow the ASCII order of the folders. The split file writes their names out: AnnualCrop is
Annual Crop Land, Highway is Highway or Road, SeaLake is Sea or Lake.
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

EUROSAT = ImageDataset(
    name="eurosat",
    title="EuroSAT",
    folder="eurosat",
    image_prefix="2750",
    split=SplitFile("split_zhou_EuroSAT.json"),
    template="a centered satellite photo of {}.",
    classes=10,
    counts=PartCounts(train=13500, val=5400, test=8100),
    split_sha256="e0b635b6e53b40743eae536e553ebb006c5794010670ff0bd08279fe613c8b33",
    licence="MIT",
    citation=(
        "P. Helber, B. Bischke, A. Dengel, D. Borth: EuroSAT, a novel dataset and deep learning "
        "benchmark for land use and land cover classification, IEEE JSTARS 2019"
    ),
    source=(
        "https://zenodo.org/records/7711810, EuroSAT_RGB renamed to 2750 (images) and "
        f"{SPLIT_FILES} (split_zhou_EuroSAT.json)"
    ),
    column=10,
    download=bundled_download(
        "eurosat.zip",
        official_archive(  # torchgeo's copy, which has a known checksum
            "https://huggingface.co/datasets/torchgeo/eurosat/resolve/"
            "c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip",
            md5="c8fa014336c82ac7804f0398fcb19387",
            take="2750",
            put="2750",
        ),
        split_file_download("split_zhou_EuroSAT.json"),
    ),
    path_labels=PathLabels(
        renamed={
            "AnnualCrop": "Annual Crop Land",
            "HerbaceousVegetation": "Herbaceous Vegetation Land",
            "Highway": "Highway or Road",
            "Industrial": "Industrial Buildings",
            "Pasture": "Pasture Land",
            "PermanentCrop": "Permanent Crop Land",
            "Residential": "Residential Buildings",
            "SeaLake": "Sea or Lake",
        }
    ),
    few_shot_digests={
        (1, 1): ("07843a86e8278a7d", "1973d460e843d983"),
        (1, 2): ("a9898b71c28bccd4", "fcb7ebb77d578003"),
        (2, 1): ("5c85a30c236e3797", "4caf9350a4d5a951"),
        (2, 2): ("9237ea79c66cffd6", "55168a524aeabcd2"),
        (4, 1): ("07c536937353fb21", "f80c2e58da6ca46e"),
        (4, 2): ("e29bfd8b1565c938", "2c1d42bf27bcb197"),
        (8, 1): ("0979c0dab6816a43", "a079782c98c0a4c1"),
        (8, 2): ("d026511380023094", "838181d7a81a2f0c"),
        (16, 1): ("ad260707da9107f1", "f171ab42c4e4c55c"),
        (16, 2): ("212e6c8813227418", "6741b81e637a61cd"),
    },
    miniature=MiniatureForm(
        split_file_writer("split_zhou_EuroSAT.json"),
        [
            ("AnnualCrop/AnnualCrop_{number}.jpg", "Annual Crop Land"),
            ("Forest/Forest_{number}.jpg", "Forest"),
            ("River/River_{number}.jpg", "River"),
            ("SeaLake/SeaLake_{number}.jpg", "Sea or Lake"),
        ],
    ),
)
register_dataset(EUROSAT)
