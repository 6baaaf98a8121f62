"""Files that are whole or absent, in a folder or an object store, their manifests and locks."""
