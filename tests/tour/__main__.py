"""`make tour`: play a customer's and an operator's story with real processes, and keep the pictures in docs/tour/."""

from __future__ import annotations

import os
import shutil
import sys

import django

from okpuja.demo.processes import ROOT, DemoFailed, Places, Processes

PORTS = (8079, 8979)


def main() -> int:
    """0 when every page of the story came."""
    places = Places(*PORTS)
    os.environ |= places.environment() | {
        "EMBEDDED_POSTGRES_DIR": str(ROOT / "var" / "tour-postgres"),
        "DATABASE_URL": "",
        "DJANGO_SETTINGS_MODULE": "okpuja.settings",
        "DJANGO_ALLOW_ASYNC_UNSAFE": "true",  # Playwright runs a loop in this thread
        "PGOPTIONS": "-c payments.may_truncate=on -c payments.may_seed=on",
        "LOG_LEVEL": "ERROR",
    }
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.stderr.write("The tour needs Chromium: apt-get install chromium fonts-noto-core\n")
        return 1
    django.setup()
    from tests.tour import story

    processes = Processes(places)
    try:
        story.prepare()
        processes.start()
        story.play(places, chromium)
        return 0
    except DemoFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        processes.stop()


if __name__ == "__main__":
    sys.exit(main())
