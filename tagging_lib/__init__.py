"""A small library for studying multi-label photo tagging, in the order in which a photo travels:
data -> models -> training -> evaluation -> experiments -> report -> cli."""

__version__ = "0.1.0"
