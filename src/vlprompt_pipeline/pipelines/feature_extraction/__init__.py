"""Stage: compute image features with the frozen CLIP."""
