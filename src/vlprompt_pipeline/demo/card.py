"""The card that goes with a checkpoint: what it is, what it is not, how it was made."""

from __future__ import annotations

import platform
from collections.abc import Mapping

import numpy as np
import PIL
import torch
from PIL import features

from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.demo.config import PretrainingConfig
from vlprompt_pipeline.demo.evaluate import ZeroShot
from vlprompt_pipeline.demo.trainer import Trained
from vlprompt_pipeline.image_datasets.rendered import RENDERED
from vlprompt_pipeline.image_datasets.rendered.tasks import TASKS

_CARD = """\
# Card of the demo CLIP

**What it is.** A CLIP of {millions:.2f} million parameters ({kilobytes:.0f} kB, fp16), trained
from scratch on procedurally rendered {side} px pictures with captions. It exists so that every
part of this project runs offline in seconds, on a model that does relate pictures and words.
open_clip `CLIP`, QuickGELU, patch {patch}, width {width}, {vision_layers} vision and
{text_layers} text layers, {embed}-dimensional features, the ordinary BPE vocabulary.

**What it is not.** It has seen no photograph and knows {words} words. Figures obtained with it
show that the machinery works; they say nothing about CLIP or about a published method. Its
"photo" is a style of rendering.

**Words it does not know.** The file holds the {rows} token rows in use and one shared row for
every other token, trained by putting it in place of {unseen:.0%} of the caption words. So any
text can be encoded, and all unknown words look the same to it.

**How it was made.** {pool:,} pictures rendered from seed {seed} (domain gap up to {gap}),
{steps:,} steps of {batch} pictures, AdamW at {rate:g} with {warmup} warm-up steps and a cosine,
symmetric contrastive loss with shared targets for identical captions, auxiliary attribute heads
(weight {aux}) that were thrown away. The last contrastive loss, smoothed, was {loss:.3f}. Fixed
compositions (colour x object, pattern x object, count x object, flags, feature x land) never
occur in pre-training; the classes of the datasets marked below consist of them.

**Licence.** That of this project; no outside data was used. Letters are rendered from the DejaVu
fonts.

## Zero-shot accuracy

Top-1 in percent on the test pictures of seed 0, each dataset's own template, weights as in the
file. Base is the first half of the classes, new the second; a half is scored among its own
classes.

| dataset | classes | held-out compositions | pictures | all | base | new |
| --- | --- | --- | --- | --- | --- | --- |
{table}

One model, one seed: no spread is known.

## The same again

`kedro run --pipelines=demo_pretraining` repeats it. The same seed gives the same file, bit for
bit, on one machine with the same libraries and the same number of threads ({threads}); tests
check this on a short run. On another processor, number of threads or version of a library the
last bits of sums differ, and after thousands of steps so does the file; expect similar figures,
not the same. Made with Python {python}, PyTorch {torch}, open_clip {open_clip}, NumPy {numpy},
Pillow {pillow} (FreeType {freetype}), {machine}.

SHA-256 of `open_clip_model.safetensors`: `{sha256}`
"""


def write_card(
    trained: Trained,
    config: PretrainingConfig,
    accuracy: Mapping[str, ZeroShot],
    sha256: str,
    size: int,
) -> str:
    """Write the card in Markdown; `size` in bytes and `sha256` are the weights file's."""
    full_rows = sum(p.numel() for p in trained.model.parameters())
    return _CARD.format(
        millions=full_rows / 1e6,
        kilobytes=size / 1000,
        side=trained.model.visual.image_size[0],
        patch=config.architecture.patch,
        width=config.architecture.width,
        vision_layers=config.architecture.vision_layers,
        text_layers=config.architecture.text_layers,
        embed=config.architecture.embed,
        words=trained.tokens.words,
        rows=len(trained.tokens.ids),
        unseen=config.unseen_share,
        pool=config.pool,
        seed=config.seed,
        gap=config.pool_gap,
        steps=trained.step,
        batch=config.batch,
        rate=config.learning_rate,
        warmup=config.warmup,
        aux=config.attribute_weight,
        loss=trained.loss,
        table="\n".join(_row(name, scores) for name, scores in accuracy.items()),
        threads=config.threads,
        python=platform.python_version(),
        torch=torch.__version__,
        open_clip=open_clip.__version__,
        numpy=np.__version__,
        pillow=PIL.__version__,
        freetype=features.version("freetype2"),
        machine=platform.machine(),
        sha256=sha256,
    )


def _row(name: str, scores: ZeroShot) -> str:
    shifted = RENDERED[name].shift_of
    held_out = "yes" if TASKS[shifted or name].held_out else "no"
    held_out += " (shifted look)" if shifted else ""
    figures = f"{scores.everything:.1f} | {scores.base:.1f} | {scores.new:.1f}"
    return f"| `{name}` | {scores.classes} | {held_out} | {scores.pictures} | {figures} |"
