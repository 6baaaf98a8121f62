"""Stage: pack trained prompts into the files that ship."""
