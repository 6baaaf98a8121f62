"""What listens to a run: checks, locks, MLflow, a line a step, records, the summary, errors."""
