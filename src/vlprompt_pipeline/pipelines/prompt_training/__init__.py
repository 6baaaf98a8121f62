"""Stage prompt training."""
