"""Stage: score the packed prompts on the test images, and record the results."""
