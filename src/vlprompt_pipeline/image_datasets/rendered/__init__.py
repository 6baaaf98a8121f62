"""A rendered world: small pictures with names, drawn from a seed, for runs without downloads."""

from vlprompt_pipeline.image_datasets.rendered.datasets import RENDERED, draw_class
from vlprompt_pipeline.image_datasets.rendered.tasks import RenderedDataset
from vlprompt_pipeline.image_datasets.rendered.writer import render_dataset

__all__ = ["RENDERED", "RenderedDataset", "draw_class", "render_dataset"]
