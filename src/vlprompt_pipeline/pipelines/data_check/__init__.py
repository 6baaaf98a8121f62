"""Report which datasets are on disk, and what is wrong with them."""
