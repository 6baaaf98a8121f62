"""Terminal text, figures, tables and pages that are drawn from `results`."""
