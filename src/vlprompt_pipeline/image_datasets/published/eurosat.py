"""EuroSAT: 10 kinds of land use in pictures of Sentinel-2, in red, green and blue.

    eurosat/2750/<ClassFolder>/<ClassFolder>_1.jpg
    eurosat/split_zhou_EuroSAT.json

Labels follow the ASCII order of the folders. The split file writes their names out: AnnualCrop is
Annual Crop Land, Highway is Highway or Road, SeaLake is Sea or Lake.
"""

from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
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
)
