"""Stage feature extraction."""
