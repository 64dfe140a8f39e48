"""The verbs, one module for each family.

Each has a table ``VERBS`` of its commands.
"""
