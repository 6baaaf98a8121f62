"""Measure what quantization, noise and low rank do to a prompt."""
