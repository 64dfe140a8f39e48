"""Selections and searches as values: paths, criteria, plans. No input or output."""
