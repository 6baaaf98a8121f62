"""Stage quantization export."""
