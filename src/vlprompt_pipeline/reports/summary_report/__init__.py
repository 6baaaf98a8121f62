"""The report of a run: one table a group of records, with figures and a page."""
