"""The stages as Kedro pipelines: thin nodes over the library.

Each package has a module `nodes` and a module `pipeline`, whose `create_pipeline` takes those of
these arguments that it needs:

- `protocol`: name of the protocol, and of its section of the parameters.
- `methods`: names of recipes.
- `targets`: further datasets that prompts are scored on.
- `verified`: methods that are run again.
- `folders`: prefix of the catalog names of folders that nodes fill.
"""
