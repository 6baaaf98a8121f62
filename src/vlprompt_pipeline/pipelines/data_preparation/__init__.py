"""Stage: index and check the images of the dataset."""
