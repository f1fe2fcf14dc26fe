"""System checks of `settings.PAYMENTS`: what the shop plugs in is there, and is what the engine will call."""

from __future__ import annotations

from datetime import time
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.utils.module_loading import import_string

from payments.audit import WHOLE_AT, Question

FUNCTIONS = ("FULFIL", "FULFIL_MANY", "PAYABLE", "STATUS", "HOLD", "RELEASE", "NOTIFY", "RESCUE")
PATHS = (*FUNCTIONS, "AUDIT")
NUMBERS = ("KEEP_WEBHOOK_DAYS", "CELERY_SWEEPS")
POLICIES = {"UNFULFILLABLE": ("refund", "hold"), "AFTER_WATCH": ("release", "hold")}
NAMES = {*PATHS, *NUMBERS, *POLICIES, "WHOLE_AUDIT_AT"}


@register(Tags.compatibility)
def plugs_are_what_they_should_be(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """`PAYMENTS` names functions that exist, and policies, times and numbers that mean something."""
    plugs = getattr(settings, "PAYMENTS", {})
    if not isinstance(plugs, dict):
        return [Error(f"PAYMENTS must be a dict, not {type(plugs).__name__}.", id="payments.E016")]
    found: list[CheckMessage] = []
    if not plugs.get("FULFIL"):
        hint = "Name your fulfilment function."
        found.append(Error("PAYMENTS['FULFIL'] is not set.", hint=hint, id="payments.E003"))
    found += [wrong for name in PATHS if plugs.get(name) for wrong in _of_path(name, plugs[name])]
    found += _of_values(plugs)
    unknown = sorted(map(str, set(plugs) - NAMES))
    if unknown:
        found.append(Error(f"PAYMENTS has unknown keys: {unknown}.", id="payments.E015"))
    if plugs.get("HOLD") and not plugs.get("RELEASE"):
        message = "PAYMENTS['HOLD'] without PAYMENTS['RELEASE']: what is held would never be sold again."
        hint = "Name a function that takes the reference."
        found.append(Error(message, hint=hint, id="payments.E013"))
    return found


def _of_path(name: str, path: object) -> list[CheckMessage]:
    """What is wrong with a dotted path and with what it leads to."""
    plug = f"PAYMENTS[{name!r}]"
    if not isinstance(path, str):
        hint = "Give its dotted path, such as 'shop.enrolling.enrol'."
        return [Error(f"{plug} must be a text, not {type(path).__name__}.", hint=hint, id="payments.E016")]
    try:
        plugged = import_string(path)
    except ImportError as error:
        return [Error(f"{plug} cannot be imported: {error}", id="payments.E004")]
    except (Exception, SystemExit) as error:  # noqa: BLE001  any shop's code runs here
        message = f"{plug} cannot be imported: its module raises {type(error).__name__}: {error}"
        return [Error(message, id="payments.E004")]
    if name == "AUDIT":
        is_right, wanted = _are_questions(plugged), "a list of payments.audit.Question"
    else:
        is_right, wanted = callable(plugged), "a function"
    message = f"{plug} must name {wanted}; {path} is of type {type(plugged).__name__}."
    return [] if is_right else [Error(message, id="payments.E017")]


def _are_questions(plugged: object) -> bool:
    return isinstance(plugged, (list, tuple)) and all(isinstance(one, Question) for one in plugged)


def _of_values(plugs: dict[str, Any]) -> list[CheckMessage]:
    """Of what is no function: one of some words, a time of day, a number."""
    wrong = {
        name: f"one of {choices}"
        for name, choices in POLICIES.items()
        if plugs.get(name, choices[0]) not in choices
    }
    if not _is_time_of_day(plugs.get("WHOLE_AUDIT_AT", WHOLE_AT)):
        wrong["WHOLE_AUDIT_AT"] = "a time of day, as 03:30"
    for name in NUMBERS:
        number = plugs.get(name, 1)
        if not isinstance(number, int) or number < 1:
            wrong[name] = "a whole number of at least 1"
    return [Error(f"PAYMENTS[{name!r}] must be {what}.", id="payments.E005") for name, what in wrong.items()]


def _is_time_of_day(text: object) -> bool:
    """As a clock on the wall shows it: the zone is the site's."""
    try:
        return isinstance(text, str) and time.fromisoformat(text).tzinfo is None
    except ValueError:
        return False
