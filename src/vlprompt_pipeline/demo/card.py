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
from vlprompt_pipeline.templates import templates_of


def write_card(
    trained: Trained,
    config: PretrainingConfig,
    accuracy: Mapping[str, ZeroShot],
    sha256: str,
    size: int,
) -> str:
    """Write the card in Markdown; `size` in bytes and `sha256` are the weights file's."""
    return (
        templates_of("demo")
        .get_template("card.md.j2")
        .render(
            trained=trained,
            config=config,
            sizes=config.architecture,
            parameters=sum(p.numel() for p in trained.model.parameters()),
            size=size,
            accuracy=accuracy,
            held_out=_held_out,
            versions={
                "python": platform.python_version(),
                "torch": torch.__version__,
                "open_clip": open_clip.__version__,
                "numpy": np.__version__,
                "pillow": PIL.__version__,
                "freetype": features.version("freetype2"),
            },
            machine=platform.machine(),
            sha256=sha256,
        )
    )


def _held_out(name: str) -> str:
    held_out = "yes" if RENDERED[name].held_out else "no"
    return f"{held_out} (shifted look)" if RENDERED[name].shift else held_out
