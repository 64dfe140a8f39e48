"""The version, the only place that states it."""

__version__ = '2.0.0.dev0'
