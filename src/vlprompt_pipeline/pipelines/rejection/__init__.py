"""Measure how well the methods of a cell reject what they do not know, over all seeds on disk."""
