"""A small library for studying multi-label photo tagging, in the order in which a photo travels:
data -> models -> training -> evaluation -> runs -> inference -> study -> report -> workflow -> cli."""

__version__ = "0.1.0"
