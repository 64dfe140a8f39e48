"""The verbs, one module for each family; each has a table ``VERBS`` of its commands."""
