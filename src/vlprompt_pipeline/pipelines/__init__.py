"""The stages as Kedro pipelines: thin nodes over the library."""
