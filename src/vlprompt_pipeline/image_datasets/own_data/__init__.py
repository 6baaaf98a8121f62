"""A user's own photos as a dataset: a folder or a table below the dataset root, and no code.

| module | what it does |
| --- | --- |
| `location` | from a name to the folder or table |
| `folders`, `tables` | the layouts that are read, all into `gathered.Gathered` |
| `kept_split` | which photos are for testing, from the first draw on |
| `class_names` | what classes are called |
| `build` | the index |
"""
