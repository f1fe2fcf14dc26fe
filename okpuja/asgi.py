"""For an ASGI server: everything, event streams included. Used in development, by the demo, and for streams."""

import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "okpuja.settings")
# Each ASGI request runs in a thread of its own, so connections must come from a pool to be kept.
os.environ.setdefault("DATABASE_POOL", "1")
everything = get_asgi_application()

from okpuja.streaming import StreamHandler, is_stream  # noqa: E402  Django must be set up

streams = StreamHandler()


async def application(scope: Any, receive: Any, send: Any) -> None:
    """The whole site."""
    await (streams if is_stream(scope) else everything)(scope, receive, send)
