"""Items of the archive: find, read and write."""
