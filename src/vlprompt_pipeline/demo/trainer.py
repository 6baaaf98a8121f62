"""The pre-training run: a fixed number of steps from a fixed seed."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.arithmetic import torch_threads
from vlprompt_pipeline.demo.attributes import AttributeHeads
from vlprompt_pipeline.demo.batches import Batch, Batches
from vlprompt_pipeline.demo.config import PretrainingConfig
from vlprompt_pipeline.demo.loss import contrastive_loss, shared_targets
from vlprompt_pipeline.demo.model import build, encode_text
from vlprompt_pipeline.demo.pool import Pool
from vlprompt_pipeline.demo.tokens import CompactTokens
from vlprompt_pipeline.image_datasets.rendered.vocabulary import caption_words

logger = logging.getLogger(__name__)

_MAX_LOG_SCALE = math.log(100)  # CLIP's clamp of the temperature
_CLIP_NORM = 1.0
_SMOOTHING = 0.98  # of the logged loss
_REPORT_EVERY = 100


@dataclass(frozen=True)
class Trained:
    """A trained model with its compact token table, the tokens of that table, and the last loss."""

    model: nn.Module
    tokens: CompactTokens
    loss: float


def learning_rate(step: int, config: PretrainingConfig) -> float:
    """Return a linear warm-up times a cosine from the peak down to `final_share` of it."""
    cosine = 0.5 * (1 + math.cos(math.pi * step / config.steps))
    warm = min(1.0, (step + 1) / config.warmup)
    decayed = config.final_share + (1 - config.final_share) * cosine
    return config.learning_rate * warm * decayed


def pretrain(pool: Pool, config: PretrainingConfig) -> Trained:
    """Train a tiny CLIP on the pictures of the pool."""
    tokens = CompactTokens(caption_words())
    with torch_threads(config.threads):
        model = build(config.architecture, tokens.size, config.seed)
        generator = torch.Generator().manual_seed(config.seed)
        heads = AttributeHeads(config.architecture.embed, generator)
        optimizer = _optimizer(model, heads, config)
        batches = Batches(pool, tokens, config)
        model.train()
        smooth, begun = 0.0, time.monotonic()
        for step in range(config.steps):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, config)
            loss = _step(model, heads, optimizer, batches.at(step), config)
            smooth = loss if step == 0 else _SMOOTHING * smooth + (1 - _SMOOTHING) * loss
            if (step + 1) % _REPORT_EVERY == 0:
                pace = (step + 1) / (time.monotonic() - begun)
                logger.info(
                    "step %d of %d: loss %.3f, %.2f steps/s", step + 1, config.steps, smooth, pace
                )
        model.eval()
    return Trained(model, tokens, smooth)


def _step(
    model: nn.Module,
    heads: AttributeHeads,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    config: PretrainingConfig,
) -> float:
    """Update the model once; return the contrastive loss before it."""
    features: Tensor = model.encode_image(batch.pictures)
    texts = encode_text(model, batch.rows)
    loss = contrastive_loss(
        F.normalize(features, dim=-1), texts, shared_targets(batch.rows), model.logit_scale.exp()
    )
    total = loss + config.attribute_weight * heads.loss(features, batch.attributes)
    optimizer.zero_grad(set_to_none=True)
    total.backward()
    nn.utils.clip_grad_norm_(model.parameters(), _CLIP_NORM)
    optimizer.step()
    with torch.no_grad():
        model.logit_scale.clamp_(0, _MAX_LOG_SCALE)
    return loss.item()


def _optimizer(
    model: nn.Module, heads: AttributeHeads, config: PretrainingConfig
) -> torch.optim.Optimizer:
    decayed, free = [], list(heads.parameters())
    for name, parameter in model.named_parameters():
        is_matrix = parameter.ndim >= 2 and "embedding" not in name
        (decayed if is_matrix else free).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=1e-6, foreach=True)
