"""Prompt learning for CLIP-like models: quantized, low-rank and variational prompts as Kedro pipelines."""

__version__ = "0.1.0"
