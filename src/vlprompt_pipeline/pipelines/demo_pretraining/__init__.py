"""Pre-train the embedded CLIP; not part of an ordinary run."""
