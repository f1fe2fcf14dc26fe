"""`python -m tests.contract.conformance PYTHON`: run every check; PYTHON starts the emulator."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Any

from tests.contract.conformance import sdk
from tests.contract.conformance.emulator import Emulator
from tests.contract.conformance.receiver import Receiver


def main(python: str) -> int:
    """Print one line for each check and a sum; 0 when all passed."""
    emulator = Emulator(python)
    try:
        sdk.point_at(emulator.url)
        # Not before the base URLs are set: the SDK copies them when it is imported.
        from tests.contract.conformance import checks

        passed = [_passes(check, checks.World, emulator) for check in checks.ALL]
    finally:
        emulator.close()
    print(f"{sum(passed)} passed, {passed.count(False)} failed")
    return 0 if all(passed) else 1


def _passes(check: Callable[[Any], None], world: Callable[..., Any], emulator: Emulator) -> bool:
    """Run one check on an empty emulator, with a client and a webhook URL of its own."""
    receiver = Receiver()
    emulator("reset")
    emulator("settings", webhook_url=receiver.url)
    client = sdk.client()
    name = check.__name__.replace("_", " ")
    try:
        check(world(emulator, receiver, client))
    except Exception:  # noqa: BLE001  whatever the SDK raises is this check's failure
        print(f"FAIL  {name}\n{traceback.format_exc()}")
        return False
    finally:
        client.close()
        receiver.close()
    print(f"ok    {name}")
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
