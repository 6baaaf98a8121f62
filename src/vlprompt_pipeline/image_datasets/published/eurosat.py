"""EuroSAT: 10 kinds of land use in pictures of Sentinel-2, in red, green and blue.

    eurosat/2750/<ClassFolder>/<ClassFolder>_1.jpg
    eurosat/split_zhou_EuroSAT.json

Labels follow the ASCII order of the folders. The split file writes their names out: AnnualCrop is
Annual Crop Land, Highway is Highway or Road, SeaLake is Sea or Lake.
"""

from vlprompt_pipeline.image_datasets.download_recipe import Checksum, DownloadFile
from vlprompt_pipeline.image_datasets.path_labels import PathLabels
from vlprompt_pipeline.image_datasets.split import PartCounts
from vlprompt_pipeline.image_datasets.split_file_dataset import split_file_dataset

split_file_dataset(
    name="eurosat",
    title="EuroSAT",
    folder="eurosat",
    image_prefix="2750",
    split_file="split_zhou_EuroSAT.json",
    template="a centered satellite photo of {}.",
    classes=10,
    counts=PartCounts(train=13500, val=5400, test=8100),
    split_sha256="e0b635b6e53b40743eae536e553ebb006c5794010670ff0bd08279fe613c8b33",
    licence="MIT",
    citation=(
        "P. Helber, B. Bischke, A. Dengel, D. Borth: EuroSAT, a novel dataset and deep learning "
        "benchmark for land use and land cover classification, IEEE JSTARS 2019"
    ),
    images="https://zenodo.org/records/7711810, EuroSAT_RGB renamed to 2750",
    column=10,
    bundle="eurosat.zip",
    archive=DownloadFile(  # torchgeo's copy, which has a known checksum
        url=(
            "https://huggingface.co/datasets/torchgeo/eurosat/resolve/"
            "c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip"
        ),
        checksum=Checksum("md5", "c8fa014336c82ac7804f0398fcb19387"),
        take="2750",
        put="2750",
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
    miniature=[
        ("AnnualCrop/AnnualCrop_{number}.jpg", "Annual Crop Land"),
        ("Forest/Forest_{number}.jpg", "Forest"),
        ("River/River_{number}.jpg", "River"),
        ("SeaLake/SeaLake_{number}.jpg", "Sea or Lake"),
    ],
)
