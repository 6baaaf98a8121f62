"""Register trained prompts as versions of models."""
