"""The integrator's forms: fault rules, switches and the clock, without a line of script."""

import json
from typing import Any

from aiohttp import web

from phonepe_sandbox.control import is_foreign
from phonepe_sandbox.entries import Json
from phonepe_sandbox.faults import RULE_FIELDS, BadRule
from phonepe_sandbox.fields import read_form
from phonepe_sandbox.pages import orders_page
from phonepe_sandbox.rendering import message, page, see_other
from phonepe_sandbox.sandbox import SANDBOX, Sandbox
from phonepe_sandbox.settings import RULES, SECRET, BadSetting, Rule

LONGEST_STEP_S = 10 * 366 * 86_400


def add_routes(app: web.Application) -> None:
    app.router.add_post("/sandbox/faults", change_faults)
    app.router.add_get("/sandbox/settings", show_settings)
    app.router.add_post("/sandbox/settings", change_settings)
    app.router.add_post("/sandbox/clock", move_clock)


def _refusal() -> web.Response:
    return message("Not from here", "This form is not for other sites' pages.", status=403, link="/sandbox/")


# -- faults -------------------------------------------------------------------------------


async def change_faults(request: web.Request) -> web.Response:
    """Add a rule, take one away, or all."""
    if is_foreign(request):
        return _refusal()
    sandbox = request.app[SANDBOX]
    form = {name: str(value).strip() for name, value in (await read_form(request)).items()}
    if "remove" in form:
        text = form["remove"]
        sandbox.faults.rules.pop(int(text) if text.isdecimal() and len(text) < 10 else 0, None)
    elif "clear" in form:
        sandbox.faults.rules.clear()
    else:
        try:
            sandbox.faults.add(_rule(form))
        except BadRule as mistake:
            return orders_page(request, status=400, trouble=str(mistake), given=form)
    sandbox.save()
    return see_other("/sandbox/#faults")


def _rule(form: dict[str, str]) -> Json:
    """The rule of a form: its fields, and `name=value` pairs for what the kind takes."""
    rule = {name: _value(form[name]) for name in RULE_FIELDS if form.get(name)}
    rule |= {name: form[name] for name in ("on", "kind", "merchantOrderId") if form.get(name)}
    for pair in form.get("parameters", "").replace(",", " ").split():
        name, sign, text = pair.partition("=")
        if not sign or name in RULE_FIELDS:
            raise BadRule(f"{pair!r} is not name=value of this kind")
        rule[name] = _value(text)
    return rule


def _value(text: str) -> Any:
    """A number or a flag if it looks like one, otherwise the text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, int | float) else text


# -- settings -----------------------------------------------------------------------------


async def show_settings(request: web.Request) -> web.Response:
    return _settings_page(request.app[SANDBOX])


def _settings_page(sandbox: Sandbox, *, trouble: str | None = None) -> web.Response:
    shown = sandbox.settings.shown()
    fields = [(name, rule, shown[name], name in SECRET) for name, rule in RULES.items()]
    status = 200 if trouble is None else 400
    return page(
        "settings.html",
        status=status,
        fields=fields,
        trouble=trouble,
        now_ms=sandbox.clock.now_ms(),
        offset_s=sandbox.clock.offset_s,
    )


async def change_settings(request: web.Request) -> web.Response:
    """Set the switches that differ from what is in force; an empty secret stays as it is."""
    if is_foreign(request):
        return _refusal()
    sandbox, form = request.app[SANDBOX], await read_form(request)
    changes = {}
    for name, rule in RULES.items():
        text = str(form[name]).strip() if name in form else None
        if text is None or (name in SECRET and not text):
            continue
        value = _read(text, rule)
        if value != getattr(sandbox.settings, name):
            changes[name] = value
    try:
        sandbox.change_settings(changes)
    except BadSetting as mistake:
        return _settings_page(sandbox, trouble=str(mistake))
    sandbox.save()
    return see_other("/sandbox/settings")


def _read(text: str, rule: Rule) -> Any:
    """What a field means: the first reading that the switch takes, else the text itself."""
    flags = {"True": True, "False": False}
    for value in (None if not text else flags.get(text, _value(text)), text):
        if rule.accepts(value):
            return value
    return text


async def move_clock(request: web.Request) -> web.Response:
    """Move the emulator's time forward; what falls due happens at once."""
    if is_foreign(request):
        return _refusal()
    sandbox = request.app[SANDBOX]
    step = _value(str((await read_form(request)).get("advance", "")))
    if type(step) not in (int, float) or not 0 <= step <= LONGEST_STEP_S:
        return _settings_page(sandbox, trouble="The clock moves forward by a number of seconds.")
    sandbox.clock.advance(step)
    sandbox.catch_up()
    sandbox.save()
    return see_other("/sandbox/settings")
