"""Export trained prompts to folders that run without torch."""
