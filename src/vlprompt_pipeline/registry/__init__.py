"""Trained prompts as versions of registered MLflow models: packaged, compared, promoted."""
