"""Stage: draw the training images, and split the classes."""
