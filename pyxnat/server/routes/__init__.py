"""Handlers of the routes below /data, one module a family."""
