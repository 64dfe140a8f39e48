"""Selections and searches as values: paths, criteria, plans. No I/O."""
