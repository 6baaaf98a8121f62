"""The stages as Kedro pipelines: thin nodes over the library.

Each package has `create_pipeline`, which takes what it needs of: `protocol`, a name that its
section of the parameters has, too; `methods`, names of recipes; `targets`, datasets that their
prompts are scored on, too; `verified`, methods that are run again; `folders`, what names of folders
that nodes fill begin with.
"""
