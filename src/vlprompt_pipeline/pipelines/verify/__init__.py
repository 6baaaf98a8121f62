"""Run a finished cell again and say whether it gives the same."""
