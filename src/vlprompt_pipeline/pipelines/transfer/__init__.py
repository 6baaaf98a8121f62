"""Stage transfer."""
