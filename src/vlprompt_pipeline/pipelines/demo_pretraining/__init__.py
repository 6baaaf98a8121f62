"""Pre-training of the embedded CLIP; not part of an ordinary run."""
