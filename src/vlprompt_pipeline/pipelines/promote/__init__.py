"""Candidates become champions, with a test or for a reason."""
