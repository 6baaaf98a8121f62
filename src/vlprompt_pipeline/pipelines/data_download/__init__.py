"""Download a published dataset; not part of an ordinary run."""
