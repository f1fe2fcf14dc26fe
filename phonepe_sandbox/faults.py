"""Fault rules: which call goes wrong, how, how often. What each kind does is in effects.py."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from phonepe_sandbox.entries import Json
from phonepe_sandbox.journal import CALL_KINDS
from phonepe_sandbox.settings import FLAG, TEXT, Rule, one_of, seconds, whole
from phonepe_sandbox.window import Window

RULE_FIELDS = {"on", "kind", "merchantOrderId", "count", "rate", "oneIn"}
LONG_S = 3600
OPTIONAL = object()  # marks a parameter without default that may be missing


@dataclass(frozen=True, slots=True)
class Parameter:
    rule: Rule
    default: Any = OPTIONAL
    required: bool = False


# kind → its parameters. A new kind is an entry here and a function in effects.py.
CALL_FAULTS: dict[str, dict[str, Parameter]] = {
    "latency": {
        "seconds": Parameter(seconds(LONG_S), required=True),
        "spread": Parameter(seconds(LONG_S), default=0),
    },
    "hang": {"seconds": Parameter(seconds(LONG_S), default=60)},
    "reset": {},
    "rate_limited": {"retryAfter": Parameter(whole(0, 86_400))},
    "rps_limit": {
        "limit": Parameter(whole(1, 1_000_000), required=True),
        "retryAfter": Parameter(whole(0, 86_400)),
    },
    "server_error": {
        "status": Parameter(one_of(500, 502, 503, 504), default=500),
        "body": Parameter(one_of("json", "html", "string", "empty"), default="json"),
    },
    "refused": {
        "status": Parameter(one_of(400, 401, 402, 403, 404, 409, 410, 417, 422, 429), default=400),
        "code": Parameter(TEXT, default="BAD_REQUEST"),
        "shape": Parameter(one_of("pg", "auth", "gateway", "mapping"), default="pg"),
    },
    "html_200": {},
    "truncated_json": {},
    "stored_then_error": {},
    "stored_then_hang": {"seconds": Parameter(seconds(LONG_S), default=60)},
    "unauthorized": {},
    "token_life": {"seconds": Parameter(whole(1, 30 * 86_400), required=True)},
    "clock_skew": {"seconds": Parameter(seconds(86_400, least=-86_400), required=True)},
    "unknown_state": {"state": Parameter(TEXT, default="ON_HOLD")},
    "unknown_payment_mode": {"paymentMode": Parameter(TEXT, default="PAY_LATER")},
    "unknown_fields": {},
    "amount_changed": {"amount": Parameter(whole(0, 10**12), required=True)},
    "order_id_changed": {"orderId": Parameter(TEXT, default="OMO0000000000000000000000")},
}
WEBHOOK_FAULTS: dict[str, dict[str, Parameter]] = {
    "lost": {},
    "delayed": {"seconds": Parameter(seconds(LONG_S), required=True)},
    "doubled": {},
    "before_redirect": {},
    "out_of_order": {"seconds": Parameter(seconds(LONG_S), default=30)},
    "wrong_credential": {},
    "flat": {},
    "nameless_refund": {},
    "hmac": {},
}
ORDER_FAULTS: dict[str, dict[str, Parameter]] = {
    "late_success": {
        "seconds": Parameter(seconds(30 * 86_400), default=60),
        "webhook": Parameter(FLAG, default=True),
    },
}
KINDS_OF = {"webhook": WEBHOOK_FAULTS, "failure": ORDER_FAULTS, "expiry": ORDER_FAULTS}
TARGETS = (*CALL_KINDS, "any", *KINDS_OF)


class BadRule(ValueError):
    """A fault rule that names no known fault or a wrong parameter."""


@dataclass(slots=True)
class FaultRule:
    """One rule. `count`: how often it may still strike, None without end; `rate`: its chance each
    time; `one_in`: only every nth call that it meets."""

    id: int
    on: str
    kind: str
    chance: Random
    merchant_order_id: str | None = None
    count: int | None = None
    rate: float = 1.0
    one_in: int = 1
    params: dict[str, Any] = field(default_factory=dict)
    struck: int = 0
    met: int = 0
    window: Window = field(default_factory=Window)

    def shown(self) -> Json:
        return {
            "id": self.id,
            "on": self.on,
            "kind": self.kind,
            "merchantOrderId": self.merchant_order_id,
            "count": self.count,
            "rate": self.rate,
            "oneIn": self.one_in,
            "struck": self.struck,
            **self.params,
        }

    def meets(self, call: str, merchant_order_id: str | None) -> bool:
        if self.on != call and not (self.on == "any" and call not in KINDS_OF):
            return False
        if self.merchant_order_id not in (None, merchant_order_id):
            return False
        return self.count is None or self.count > 0

    def strikes(self) -> bool:
        """Whether a call that it meets is struck; a use of a counted rule is spent then."""
        self.met += 1
        if self.met % self.one_in or (self.rate < 1 and self.chance.random() >= self.rate):
            return False
        if self.kind == "rps_limit" and not self.window.is_full(self.params["limit"]):
            return False
        self.struck += 1
        if self.count is not None:
            self.count -= 1
        return True


SAVED = ("id", "on", "kind", "merchant_order_id", "count", "rate", "one_in", "params", "struck", "met")


class Faults:
    """The rules in force, each with a chance of its own from the seed, so that a run repeats."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._ids = count(1)
        self.rules: dict[int, FaultRule] = {}

    def add(self, wanted: Any) -> FaultRule:
        """Take a rule as the control API gives it. Raises BadRule."""
        if not isinstance(wanted, Mapping):
            raise BadRule("a rule is a JSON object")
        on, kind = wanted.get("on"), wanted.get("kind")
        if on not in TARGETS:
            raise BadRule(f"on must be one of {', '.join(TARGETS)}")
        known = KINDS_OF.get(str(on), CALL_FAULTS)
        if kind not in known:
            raise BadRule(f"kind must be one of {', '.join(known)}")
        if kind == "token_life" and on != "token":
            raise BadRule("token_life goes with on: token")
        params = _params(wanted, known[str(kind)])
        rule_id = next(self._ids)
        rule = FaultRule(
            id=rule_id,
            on=str(on),
            kind=str(kind),
            chance=Random(f"{self._seed}/{rule_id}"),
            merchant_order_id=_checked(wanted, "merchantOrderId", TEXT, None),
            count=_checked(wanted, "count", whole(1, 10**9), None),
            rate=_checked(wanted, "rate", Rule(_is_rate, "a number from 0 to 1"), 1.0),
            one_in=_checked(wanted, "oneIn", whole(1, 10**9), 1),
            params=params,
        )
        self.rules[rule.id] = rule
        return rule

    def draw(self, call: str, merchant_order_id: str | None) -> list[FaultRule]:
        """The rules that strike this call."""
        if not self.rules:
            return []
        return [r for r in self.rules.values() if r.meets(call, merchant_order_id) and r.strikes()]

    def saved(self) -> list[Json]:
        """All rules for the state file."""
        return [{name: getattr(rule, name) for name in SAVED} for rule in self.rules.values()]

    def restore(self, saved: list[Json]) -> None:
        """The rules of `saved`; chances begin anew."""
        made = [FaultRule(**entry, chance=Random(f"{self._seed}/{entry['id']}")) for entry in saved]
        self.rules = {rule.id: rule for rule in made}
        self._ids = count(1 + max(self.rules, default=0))


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
    unknown = sorted(str(name) for name in set(wanted) - RULE_FIELDS - set(known))
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
