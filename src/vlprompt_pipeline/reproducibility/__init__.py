"""How a result was made, and whether it is made again."""
