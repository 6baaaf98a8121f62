"""The frozen CLIP: loading, text and image tower over prompts, image features."""

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.clip.encoding import ImageEncoder, ImageSet
from vlprompt_pipeline.clip.features import FeatureSet, FeatureStore
from vlprompt_pipeline.clip.identity import ClipIdentity
from vlprompt_pipeline.clip.image import ImageTower
from vlprompt_pipeline.clip.loading import load_clip
from vlprompt_pipeline.clip.preprocessing import Preprocessing
from vlprompt_pipeline.clip.text import TextTower
from vlprompt_pipeline.clip.text_base import Prompts
from vlprompt_pipeline.clip.views import AugmentedViews, EvaluationView, TrainingViews
from vlprompt_pipeline.clip.whole_text import WholeTextTower
from vlprompt_pipeline.clip.words import nearest_words

__all__ = [
    "AugmentedViews",
    "ClipIdentity",
    "EvaluationView",
    "FeatureSet",
    "FeatureStore",
    "FrozenClip",
    "ImageEncoder",
    "ImageSet",
    "ImageTower",
    "Preprocessing",
    "Prompts",
    "TextTower",
    "TrainingViews",
    "WholeTextTower",
    "load_clip",
    "nearest_words",
]
