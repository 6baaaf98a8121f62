"""Draw the few-shot sets of all datasets, as files."""
