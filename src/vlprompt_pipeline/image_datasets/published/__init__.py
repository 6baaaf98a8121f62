"""The 11 datasets of the published protocols and the 4 shifted variants of ImageNet."""

from vlprompt_pipeline.image_datasets.published.caltech101 import CALTECH101
from vlprompt_pipeline.image_datasets.published.dtd import DTD
from vlprompt_pipeline.image_datasets.published.eurosat import EUROSAT
from vlprompt_pipeline.image_datasets.published.fgvc_aircraft import FGVC_AIRCRAFT
from vlprompt_pipeline.image_datasets.published.food101 import FOOD101
from vlprompt_pipeline.image_datasets.published.imagenet import IMAGENET
from vlprompt_pipeline.image_datasets.published.imagenet_a import IMAGENET_A
from vlprompt_pipeline.image_datasets.published.imagenet_r import IMAGENET_R
from vlprompt_pipeline.image_datasets.published.imagenet_sketch import IMAGENET_SKETCH
from vlprompt_pipeline.image_datasets.published.imagenet_v2 import IMAGENET_V2
from vlprompt_pipeline.image_datasets.published.oxford_flowers import OXFORD_FLOWERS
from vlprompt_pipeline.image_datasets.published.oxford_pets import OXFORD_PETS
from vlprompt_pipeline.image_datasets.published.stanford_cars import STANFORD_CARS
from vlprompt_pipeline.image_datasets.published.sun397 import SUN397
from vlprompt_pipeline.image_datasets.published.ucf101 import UCF101

PUBLISHED_DATASETS = (
    IMAGENET,
    CALTECH101,
    OXFORD_PETS,
    STANFORD_CARS,
    OXFORD_FLOWERS,
    FOOD101,
    FGVC_AIRCRAFT,
    SUN397,
    DTD,
    EUROSAT,
    UCF101,
    IMAGENET_V2,
    IMAGENET_SKETCH,
    IMAGENET_A,
    IMAGENET_R,
)
"""In the order of the published tables."""
