"""Datasets as miniatures: a few tiny pictures in the real layout, made on first use.

| module | what it does |
| --- | --- |
| `form` | what a miniature looks like, which a dataset's file says |
| `annotate`, `imagenet` | what several datasets' miniatures share |
| `writer` | from a dataset to its miniature, and the miniature's files |
"""
