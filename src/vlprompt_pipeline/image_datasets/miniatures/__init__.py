"""Datasets as miniatures: a few tiny pictures in the real layout, made on first use.

| module | what it does |
| --- | --- |
| `form` | what a miniature looks like, as the dataset's file says |
| `imagenet` | what the miniatures of ImageNet and its variants share |
| `writer` | from a dataset to its miniature, and the miniature's files |
"""
