"""Training of prompts: batches, schedule, loop, checkpoints."""

from vlprompt_pipeline.training.batches import Batches, CachedViews, OnlineViews, PixelViews
from vlprompt_pipeline.training.checkpoint import Checkpoint
from vlprompt_pipeline.training.few_shot_images import FewShotImages
from vlprompt_pipeline.training.loop import train
from vlprompt_pipeline.training.schedule import learning_rate

__all__ = [
    "Batches",
    "CachedViews",
    "Checkpoint",
    "FewShotImages",
    "OnlineViews",
    "PixelViews",
    "learning_rate",
    "train",
]
