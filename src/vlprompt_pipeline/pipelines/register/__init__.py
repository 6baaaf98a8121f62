"""Trained prompts become versions of registered models."""
