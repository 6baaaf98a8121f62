"""Compare methods on all datasets, over every finished cell."""
