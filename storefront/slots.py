"""The times of day that the form offers. The API takes any; priests are asked about other wishes by phone."""

from __future__ import annotations

from datetime import time

SLOTS = tuple(
    time(*moment) for moment in ((6, 0), (7, 30), (9, 0), (10, 30), (12, 0), (16, 0), (17, 30), (19, 0))
)


def choices() -> list[tuple[str, str]]:
    """Value and label for a select: ("09:00", "9:00 AM")."""
    return [(slot.strftime("%H:%M"), slot.strftime("%I:%M %p").lstrip("0")) for slot in SLOTS]
