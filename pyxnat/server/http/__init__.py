"""Requests and responses of the archive."""
