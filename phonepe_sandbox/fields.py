"""Reading the fields of a control request, each by a rule."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from phonepe_sandbox.settings import Rule

MISSING = object()


class BadField(ValueError):
    """A field of a control request that is missing, unknown or wrong."""


class Fields:
    """A JSON object whose fields are taken one by one; what is left over is a mistake."""

    def __init__(self, given: Any) -> None:
        if not isinstance(given, dict):
            raise BadField("a JSON object is wanted")
        self.given: dict[str, Any] = given
        self._taken: set[str] = set()

    def take(self, name: str, rule: Rule, default: Any = MISSING) -> Any:
        self._taken.add(name)
        value = self.given.get(name, default)
        if value is MISSING:
            raise BadField(f"{name} is missing: {rule.wanted}")
        if value is not default and not rule.accepts(value):
            raise BadField(f"{name} must be {rule.wanted}")
        return value

    def entries(self, name: str) -> list[Any]:
        value = self.take(name, Rule(lambda value: isinstance(value, list), "a list"))
        return list(value)

    def finish(self) -> None:
        unknown = sorted(set(self.given) - self._taken)
        if unknown:
            raise BadField(f"unknown: {', '.join(unknown)}")


async def read_form(request: web.Request) -> Mapping[str, Any]:
    """The fields of a form as our pages send it; anything else has none."""
    if request.content_type != "application/x-www-form-urlencoded":
        return {}
    return await request.post()
