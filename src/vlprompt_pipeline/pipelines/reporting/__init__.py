"""Stage: compare the run with the results on disk."""
