"""One cell scored: predictions of test images, their metrics, and outcomes class by class."""
