"""Take from a bucket: exact over all processes, in one statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from guard.models import Bucket

# Each call draws `gap` further; refused when that would be more than `window` ahead. The row's lock makes
# concurrent calls take their turns, so neither two processes nor two threads can have the same place.
TAKE = """
INSERT INTO guard_bucket AS bucket (key, drawn_until) VALUES (%(key)s, %(now)s + %(gap)s)
ON CONFLICT (key) DO UPDATE SET drawn_until = GREATEST(bucket.drawn_until, %(now)s) + %(gap)s
WHERE GREATEST(bucket.drawn_until, %(now)s) + %(gap)s <= %(now)s + %(window)s
RETURNING drawn_until
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """`calls` at once, and then as many in each `window` as time gives back."""

    calls: int
    window: timedelta

    @property
    def gap(self) -> timedelta:
        """After how long one call more may be made."""
        return self.window / self.calls


def take(key: str, limit: Limit, *, now: datetime) -> float:
    """Take one call out of the bucket: 0.0 when there was one, else the seconds until there will be."""
    values = {"key": key, "now": now, "gap": limit.gap, "window": limit.window}
    with connection.cursor() as cursor:
        cursor.execute(TAKE, values)
        if cursor.fetchone():
            return 0.0
    drawn_until = Bucket.objects.filter(key=key).values_list("drawn_until", flat=True).first() or now
    return max(0.001, (drawn_until + limit.gap - now - limit.window).total_seconds())


def prune(*, now: datetime) -> int:
    """Delete the buckets that are full again; how many."""
    return Bucket.objects.filter(drawn_until__lt=now).delete()[0]
