"""Label a folder of images with a registered model."""
