"""Sessions that wait to be archived."""
