#!/usr/bin/env python
"""Django's command line, for this project's settings."""

import os
import sys


def main() -> None:
    """Run a command. What is wrong outside the code is said in a sentence; `--traceback` shows where it was met."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "okpuja.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    try:
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, OperationalError) as error:
        if "--traceback" in sys.argv or getattr(error.__cause__, "sqlstate", None):
            raise  # for whoever asked, or by a statement: the database itself was there
        what = (
            "The database cannot be used" if isinstance(error, OperationalError) else "The settings are wrong"
        )
        sys.exit(f"{what}: {str(error).strip()}")


if __name__ == "__main__":
    main()
