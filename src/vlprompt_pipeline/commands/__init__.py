"""`kedro run`, `kedro sweep` and `kedro tune`: their options, and what they ask for."""
