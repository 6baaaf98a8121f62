"""A registered model and a folder of images."""
