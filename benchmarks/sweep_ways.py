"""One way of verifying due orders, in a process of its own: `python -m benchmarks.sweep_ways sweep|loop N`.

Prints wall seconds and CPU seconds of this process, without its start.
"""

from __future__ import annotations

import sys
import time

import django

django.setup()

from django.utils import timezone  # noqa: E402

from payments import claims, completion, gateway  # noqa: E402
from payments.states import Source  # noqa: E402
from payments.sweep import Sweep  # noqa: E402


def sweep(orders: int) -> int:
    """Our way."""
    return Sweep(limit=orders).run_once().checked


def loop(orders: int) -> int:
    """What one writes first: ask about one order after the other, and settle each."""
    claimed = claims.claim_due(now=timezone.now(), limit=orders)
    for order in claimed:
        completion.settle(
            order.pk, gateway.ask(order.merchant_order_id), source=Source.CHECKER, now=timezone.now()
        )
    return len(claimed)


if __name__ == "__main__":
    way, wanted = {"sweep": sweep, "loop": loop}[sys.argv[1]], int(sys.argv[2])
    gateway.check_credentials()
    wall, cpu = time.monotonic(), time.process_time()
    done = way(wanted)
    sys.stdout.write(f"{done} {time.monotonic() - wall:.3f} {time.process_time() - cpu:.3f}\n")
    gateway.close()
