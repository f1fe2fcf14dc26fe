"""Payments that complete themselves: from a reference and an amount to a settled, fulfilled order."""
