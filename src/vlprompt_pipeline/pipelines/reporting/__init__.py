"""Stage reporting."""
