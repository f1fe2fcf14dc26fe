"""Fault rules: which call goes wrong, how, how often. What each kind does is in effects.py."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from phonepe_sandbox.entries import Json
from phonepe_sandbox.journal import CALL_KINDS
from phonepe_sandbox.settings import TEXT, Rule, one_of, seconds, whole

RULE_FIELDS = {"on", "kind", "merchantOrderId", "count", "rate"}
LONG_S = 3600
OPTIONAL = object()  # marks a parameter without default that may be missing


@dataclass(frozen=True, slots=True)
class Parameter:
    rule: Rule
    default: Any = OPTIONAL
    required: bool = False


# kind → its parameters. A new kind is an entry here and a function in effects.py.
CALL_FAULTS: dict[str, dict[str, Parameter]] = {
    "latency": {"seconds": Parameter(seconds(LONG_S), required=True)},
    "hang": {"seconds": Parameter(seconds(LONG_S), default=60)},
    "reset": {},
    "rate_limited": {"retryAfter": Parameter(whole(0, 86_400))},
    "server_error": {
        "status": Parameter(one_of(500, 502, 503, 504), default=500),
        "body": Parameter(one_of("json", "html", "string", "empty"), default="json"),
    },
    "html_200": {},
    "truncated_json": {},
    "stored_then_error": {},
    "stored_then_hang": {"seconds": Parameter(seconds(LONG_S), default=60)},
    "unauthorized": {},
    "unknown_state": {"state": Parameter(TEXT, default="ON_HOLD")},
    "unknown_fields": {},
    "amount_changed": {"amount": Parameter(whole(0, 10**12), required=True)},
    "order_id_changed": {"orderId": Parameter(TEXT, default="OMO0000000000000000000000")},
}
WEBHOOK_FAULTS: dict[str, dict[str, Parameter]] = {
    "lost": {},
    "delayed": {"seconds": Parameter(seconds(LONG_S), required=True)},
    "doubled": {},
    "wrong_credential": {},
}
TARGETS = (*CALL_KINDS, "webhook", "any")


class BadRule(ValueError):
    """A fault rule that names no known fault or a wrong parameter."""


@dataclass(slots=True)
class FaultRule:
    """One rule. `count`: how often it may still strike, None without end; `rate`: its chance each time."""

    id: int
    on: str
    kind: str
    merchant_order_id: str | None = None
    count: int | None = None
    rate: float = 1.0
    params: dict[str, Any] = field(default_factory=dict)
    struck: int = 0

    def shown(self) -> Json:
        return {
            "id": self.id,
            "on": self.on,
            "kind": self.kind,
            "merchantOrderId": self.merchant_order_id,
            "count": self.count,
            "rate": self.rate,
            "struck": self.struck,
            **self.params,
        }

    def meets(self, call: str, merchant_order_id: str | None) -> bool:
        if self.on != call and not (self.on == "any" and call != "webhook"):
            return False
        if self.merchant_order_id not in (None, merchant_order_id):
            return False
        return self.count is None or self.count > 0


class Faults:
    """The rules in force, drawn with a seeded chance so that a run repeats."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._ids = count(1)
        self.rules: dict[int, FaultRule] = {}

    def add(self, wanted: Mapping[str, Any]) -> FaultRule:
        """Take a rule as the control API gives it. Raises BadRule."""
        on, kind = wanted.get("on"), wanted.get("kind")
        if on not in TARGETS:
            raise BadRule(f"on must be one of {', '.join(TARGETS)}")
        known = WEBHOOK_FAULTS if on == "webhook" else CALL_FAULTS
        if kind not in known:
            raise BadRule(f"kind must be one of {', '.join(known)}")
        rule = FaultRule(
            id=next(self._ids),
            on=str(on),
            kind=str(kind),
            merchant_order_id=_checked(wanted, "merchantOrderId", TEXT, None),
            count=_checked(wanted, "count", whole(1, 10**9), None),
            rate=_checked(wanted, "rate", Rule(_is_rate, "a number from 0 to 1"), 1.0),
            params=_params(wanted, known[str(kind)]),
        )
        self.rules[rule.id] = rule
        return rule

    def draw(self, call: str, merchant_order_id: str | None) -> list[FaultRule]:
        """The rules that strike this call; each use of a counted rule is spent."""
        if not self.rules:
            return []
        struck = [r for r in self.rules.values() if r.meets(call, merchant_order_id) and self._hits(r)]
        for rule in struck:
            rule.struck += 1
            if rule.count is not None:
                rule.count -= 1
        return struck

    def _hits(self, rule: FaultRule) -> bool:
        return rule.rate >= 1 or self._chance.random() < rule.rate


def _is_rate(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1


def _checked(wanted: Mapping[str, Any], name: str, rule: Rule, default: Any) -> Any:
    value = wanted.get(name)
    if value is None:
        return default
    if not rule.accepts(value):
        raise BadRule(f"{name} must be {rule.wanted}")
    return value


def _params(wanted: Mapping[str, Any], known: dict[str, Parameter]) -> dict[str, Any]:
    unknown = sorted(set(wanted) - RULE_FIELDS - set(known))
    if unknown:
        raise BadRule(f"this fault takes no {', '.join(unknown)}")
    params = {}
    for name, parameter in known.items():
        value = _checked(wanted, name, parameter.rule, parameter.default)
        if value is OPTIONAL:
            if parameter.required:
                raise BadRule(f"{name} is missing: {parameter.rule.wanted}")
            continue
        params[name] = value
    return params
