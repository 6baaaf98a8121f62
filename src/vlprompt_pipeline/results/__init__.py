"""Many cells compared: records, scores over seeds and datasets, paired tests, verdicts."""
