"""Who has knocked how often: one row per caller and door, shared by all processes."""

from __future__ import annotations

from django.db import models


class Bucket(models.Model):
    """A leaky bucket as one instant: how far its caller has drawn on time that is still to come.

    The table is UNLOGGED: it costs no WAL, and a crash of PostgreSQL empties it, which harms nobody. It has
    no index on the instant, so that a call's update stays within the row's page.
    """

    key = models.CharField(max_length=200, primary_key=True)
    drawn_until = models.DateTimeField()

    def __str__(self) -> str:
        return self.key
