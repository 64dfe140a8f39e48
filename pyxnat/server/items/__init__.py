"""Items of the archive: find, read, write."""
