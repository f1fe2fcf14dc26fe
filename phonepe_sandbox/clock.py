"""The emulator's own time, which a test may move forward."""

import time
from collections.abc import Callable


class Clock:
    """Epoch time plus an offset; the API's times are in milliseconds except for tokens (§12)."""

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self.offset_s = 0.0

    def now(self) -> float:
        return self._source() + self.offset_s

    def now_ms(self) -> int:
        return int(self.now() * 1000)

    def advance(self, seconds: float) -> None:
        self.offset_s += seconds

    def reset(self) -> None:
        self.offset_s = 0.0
