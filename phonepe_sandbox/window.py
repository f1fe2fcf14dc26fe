"""Counting calls within a second of real time (§10.18)."""

import time
from collections import deque


class Window:
    """Lets so many through in any one second."""

    def __init__(self) -> None:
        self._passed: deque[float] = deque()

    def is_full(self, limit: int) -> bool:
        """Whether one more call would be too many; one that is not counts from now."""
        now = time.monotonic()
        while self._passed and self._passed[0] <= now - 1:
            self._passed.popleft()
        if len(self._passed) >= limit:
            return True
        self._passed.append(now)
        return False
