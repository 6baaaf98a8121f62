"""Pre-training of the embedded CLIP on the rendered world."""

from vlprompt_pipeline.demo.card import write_card
from vlprompt_pipeline.demo.checkpoint import save_checkpoint
from vlprompt_pipeline.demo.config import Architecture, PretrainingConfig
from vlprompt_pipeline.demo.evaluate import ZeroShot, zero_shot
from vlprompt_pipeline.demo.pool import Pool, render_pool
from vlprompt_pipeline.demo.trainer import Trained, pretrain

__all__ = [
    "Architecture",
    "Pool",
    "PretrainingConfig",
    "Trained",
    "ZeroShot",
    "pretrain",
    "render_pool",
    "save_checkpoint",
    "write_card",
    "zero_shot",
]
