"""Promote candidates to champions, by a test or for a stated reason."""
