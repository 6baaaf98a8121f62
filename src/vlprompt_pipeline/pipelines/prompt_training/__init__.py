"""Stage: train each method on the base classes of the few-shot set."""
