"""Payments that complete themselves: from a reference and an amount to a settled, fulfilled order."""

__version__ = "0.1.0"
