"""Stage: score the prompts on the test images of other datasets."""
