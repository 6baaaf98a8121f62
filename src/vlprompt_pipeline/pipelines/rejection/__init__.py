"""How well the methods of a cell tell what they do not know, over all seeds on disk."""
