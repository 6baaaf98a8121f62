"""Training of prompts: batches, schedule, loop, checkpoints."""

from vlprompt_pipeline.training.batches import Batches, CachedViews, OnlineViews
from vlprompt_pipeline.training.checkpoint import Checkpoint
from vlprompt_pipeline.training.loop import train
from vlprompt_pipeline.training.schedule import learning_rate

__all__ = ["Batches", "CachedViews", "Checkpoint", "OnlineViews", "learning_rate", "train"]
