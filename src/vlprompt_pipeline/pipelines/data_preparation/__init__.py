"""Stage data preparation."""
