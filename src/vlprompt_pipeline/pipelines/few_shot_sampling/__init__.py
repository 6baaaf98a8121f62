"""Stage few shot sampling."""
