"""Trained prompts become folders that run without torch."""
