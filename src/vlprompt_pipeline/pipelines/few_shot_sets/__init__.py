"""The few-shot sets of all datasets, as files."""
