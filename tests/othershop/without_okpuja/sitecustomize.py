"""Python imports this at its start where PYTHONPATH names this folder: then nobody can import anything of OkPuja."""

import sys
from importlib.abc import MetaPathFinder

OKPUJA = {"okpuja", "catalog", "cart", "bookings", "storefront"}


class _Refuse(MetaPathFinder):
    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name.partition(".")[0] in OKPUJA:
            raise ImportError(f"{name} belongs to OkPuja; the other shop has no such package.", name=name)


sys.meta_path.insert(0, _Refuse())
