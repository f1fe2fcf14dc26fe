"""For an ASGI server: everything, event streams included. Used in development, by the demo, and for streams."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "okpuja.settings")
# Each ASGI request runs in a thread of its own, so connections must come from a pool to be kept.
os.environ.setdefault("DATABASE_POOL", "1")
application = get_asgi_application()
