"""The customer's pay page (§3.5, §9): buttons for every outcome, and PhonePe's own test data."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

from aiohttp import web

from phonepe_sandbox import instruments
from phonepe_sandbox.book import OrderClosed
from phonepe_sandbox.entries import AUTO_FAILED, Failure, Order, Outcome, Plan
from phonepe_sandbox.fields import read_form
from phonepe_sandbox.rendering import message, page, see_other
from phonepe_sandbox.sandbox import SANDBOX, Sandbox
from phonepe_sandbox.shown import PAY_PAGES

PAGE_OUTCOMES = ("success", "failure", "retry", "pending", "cancel", "close_paid", "close")
BANK_OUTCOMES = ("success", "failure", "pending")
CONCLUDED, USER_CANCEL = "CONCLUDED", "USER_CANCEL"  # what checkout.js tells the merchant's callback (§3.5)
CHECKOUT_JS = (Path(__file__).parent / "static" / "checkout.js").read_bytes()
CHECKOUT_PATHS = ("/web/bundle/checkout.js", "/checkout.js")
MODE_NAMES = {
    "UPI_QR": "UPI QR",
    "UPI_INTENT": "UPI app",
    "UPI_COLLECT": "UPI ID",
    "CARD": "Card",
    "NET_BANKING": "Net banking",
    "CORPORATE_NET_BANKING": "Corporate net banking",
    "EMI": "EMI",
    "WALLET": "Wallet",
}


@dataclass(frozen=True, slots=True)
class Visit:
    """A customer at the page of one order."""

    sandbox: Sandbox
    order: Order
    request: web.Request
    path: str  # of the pay page itself

    @property
    def is_framed(self) -> bool:
        """checkout.js says so when it opens the page in a frame."""
        return self.request.query.get("type") == "IFRAME"

    def url(self, step: str = "", **more: str) -> str:
        """The address of the page or of one of its steps, with the same token."""
        query = {"token": self.order.page_token} | ({"type": "IFRAME"} if self.is_framed else {}) | more
        return f"{self.path}{step}?{'&'.join(f'{name}={value}' for name, value in query.items())}"

    def note(self, action: str) -> None:
        now_ms = self.sandbox.clock.now_ms()
        self.sandbox.journal.note(now_ms, self.order.merchant_order_id, f"pay page: {action}")

    async def act(self, outcome: Outcome, mode: str, **how: Any) -> None:
        """What the customer does; waits for the webhooks that a rule puts before the redirect."""
        self.note(f"{outcome} by {mode}" if outcome != "cancel" else outcome)
        posted = self.sandbox.act(self.order, outcome, payment_mode=mode, **how)
        self.sandbox.save()
        for delivery in posted:
            if delivery.before_redirect:
                await delivery.ended.wait()

    def leave(self, result: str = CONCLUDED) -> web.Response:
        """Back to the merchant, who is told nothing (§3.5)."""
        if self.is_framed:
            return message("Done", "The shop takes over from here.", result=result)
        if self.order.redirect_url is None:
            return message("Done", "The shop gave no address to return to. You may close this tab.")
        return see_other(self.order.redirect_url)


Step = Callable[[Visit], Awaitable[web.Response]]


def add_routes(app: web.Application) -> None:
    """The pay page and its steps under both environments' paths, and the browser script."""
    for path in PAY_PAGES.values():
        app.router.add_get(path, _visited(path, show_page))
        app.router.add_post(path, _visited(path, choose))
        app.router.add_post(f"{path}/upi", _visited(path, pay_by_vpa))
        app.router.add_get(f"{path}/wait", _visited(path, wait))
        app.router.add_post(f"{path}/card", _visited(path, enter_card))
        app.router.add_post(f"{path}/netbanking", _visited(path, enter_bank))
        app.router.add_get(f"{path}/bank", _visited(path, show_bank))
        app.router.add_post(f"{path}/bank", _visited(path, answer_bank))
    for path in CHECKOUT_PATHS:
        app.router.add_get(path, checkout_js)


def _visited(path: str, step: Step) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        sandbox = request.app[SANDBOX]
        order = sandbox.book.find_by_page_token(request.query.get("token", ""))
        if order is None:
            text = "Go back to the shop and start the payment again."
            return message("This payment link is not valid", text, status=404)
        visit = Visit(sandbox, order, request, path)
        try:
            return await step(visit)
        except OrderClosed:
            return see_other(visit.url())

    return handle


async def checkout_js(request: web.Request) -> web.Response:
    """The script that a merchant's page loads (§1)."""
    headers = {"Cache-Control": "no-cache", "Access-Control-Allow-Origin": "*"}
    return web.Response(body=CHECKOUT_JS, content_type="text/javascript", charset="utf-8", headers=headers)


# -- the page -----------------------------------------------------------------------------


async def show_page(visit: Visit) -> web.Response:
    """What the customer sees at the redirectUrl of a pay answer."""
    if visit.sandbox.settings.pay_page_needs_referrer and not _comes_from_merchant(visit):
        text = "INTERNAL_SECURITY_BLOCK_1: the page was not opened from a page of the shop's own domain."
        return message("This payment was blocked", text, status=403)
    if visit.is_framed and visit.order.state != "PENDING":
        return visit.leave()
    return _pay_page(visit)


def _comes_from_merchant(visit: Visit) -> bool:
    """§3.5: the referrer's domain is checked; our own page may lead to itself."""
    referrer = urlsplit(visit.request.headers.get("Referer", "")).netloc
    merchant = urlsplit(visit.order.redirect_url or "").netloc
    return bool(referrer) and referrer in (merchant, visit.request.host)


def _pay_page(visit: Visit, *, status: int = 200, trouble: str | None = None) -> web.Response:
    order, sandbox = visit.order, visit.sandbox
    return page(
        "pay.html",
        status=status,
        order=order,
        merchant=sandbox.settings.merchant_name,
        left_ms=order.expire_at_ms - sandbox.clock.now_ms(),
        modes=[(mode, MODE_NAMES[mode]) for mode in order.offer.modes],
        vpas=instruments.TEST_VPAS,
        cards=[card for card in instruments.CARDS if card.kind in order.offer.cards],
        framed=visit.is_framed,
        here=visit.url,
        trouble=trouble,
    )


async def choose(visit: Visit) -> web.Response:
    """A button was pressed: store the outcome, tell the merchant's server, send the customer on."""
    form, modes = await read_form(visit.request), visit.order.offer.modes
    outcome = str(form.get("outcome", ""))
    mode = str(form.get("paymentMode", modes[0] if modes else ""))
    if outcome not in PAGE_OUTCOMES or (mode not in modes and outcome not in ("cancel", "close")):
        return _pay_page(visit, status=400, trouble="That cannot be chosen here.")
    if outcome == "close":
        visit.note(outcome)
        return _left("Closed without paying", "Nothing was paid. You may close this tab.", visit)
    if outcome == "close_paid":
        await visit.act("success", mode)
        return message("Paid", "You may close this tab. The shop's page is never opened again.")
    await visit.act(_outcome(outcome), mode)
    if outcome == "retry" and visit.order.state == "PENDING":
        return see_other(visit.url())
    return visit.leave(USER_CANCEL if outcome == "cancel" else CONCLUDED)


def _left(title: str, text: str, visit: Visit) -> web.Response:
    return message(title, text, result=USER_CANCEL if visit.is_framed else None)


def _outcome(text: str) -> Outcome:
    return next(known for known in get_args(Outcome) if known == text)


# -- UPI ID (§9) --------------------------------------------------------------------------


async def pay_by_vpa(visit: Visit) -> web.Response:
    """Send a request to a UPI ID; its owner answers after some seconds, or never."""
    vpa = str((await read_form(visit.request)).get("vpa", "")).strip()
    if "UPI_COLLECT" not in visit.order.offer.modes:
        return _pay_page(visit, status=400, trouble="That cannot be chosen here.")
    if not instruments.VPA.fullmatch(vpa):
        return await _fail(visit, "UPI_COLLECT", instruments.INVALID_VPA)
    await visit.act("pending", "UPI_COLLECT")
    answer = instruments.answer_to(vpa)
    if answer is not None:
        due_s = visit.sandbox.settings.collect_answer_after
        visit.sandbox.book.plan(visit.order, Plan(visit.sandbox.clock.now_ms() + int(1000 * due_s), answer))
    visit.sandbox.save()
    return see_other(visit.url("/wait"))


async def wait(visit: Visit) -> web.Response:
    """Looks again every second until the answer is there, or for as long as §9 says."""
    order, now_ms = visit.order, visit.sandbox.clock.now_ms()
    if order.state != "PENDING" or not order.attempts or order.attempts[-1].state != "PENDING":
        return visit.leave()
    until_ms = order.attempts[-1].timestamp_ms + int(1000 * visit.sandbox.settings.collect_patience)
    if now_ms >= until_ms:
        return visit.leave()
    return page("wait.html", order=order, left_ms=until_ms - now_ms)


async def _fail(visit: Visit, mode: str, failure: Failure) -> web.Response:
    """A failed attempt: once more if the merchant allows it, otherwise it is the end."""
    await visit.act("retry", mode, failure=failure)
    return see_other(visit.url()) if visit.order.state == "PENDING" else visit.leave()


# -- card and net banking: details, then the bank's page (§9) -------------------------------


async def enter_card(visit: Visit) -> web.Response:
    """Only PhonePe's two test cards get as far as the bank."""
    form = await read_form(visit.request)
    number, expiry, cvv = (str(form.get(name, "")) for name in ("number", "expiry", "cvv"))
    if "CARD" not in visit.order.offer.modes:
        return _pay_page(visit, status=400, trouble="That cannot be chosen here.")
    card = instruments.read_card(number, expiry, cvv)
    if isinstance(card, Failure):
        return await _fail(visit, "CARD", card)
    if card.kind not in visit.order.offer.cards:
        return _pay_page(visit, status=400, trouble="The shop does not take this kind of card.")
    return see_other(visit.url("/bank", mode="CARD", card=card.kind))


async def enter_bank(visit: Visit) -> web.Response:
    bank = str((await read_form(visit.request)).get("bank", ""))
    if "NET_BANKING" not in visit.order.offer.modes or bank not in visit.order.offer.banks:
        return _pay_page(visit, status=400, trouble="The shop does not take this bank.")
    return see_other(visit.url("/bank", mode="NET_BANKING"))


def _at_bank(visit: Visit) -> tuple[str, str]:
    """Mode and kind of card that the customer comes with."""
    query = visit.request.query
    mode = "NET_BANKING" if query.get("mode") == "NET_BANKING" else "CARD"
    return mode, "DEBIT_CARD" if query.get("card") == "DEBIT_CARD" else "CREDIT_CARD"


async def show_bank(visit: Visit) -> web.Response:
    if visit.order.state != "PENDING":
        return see_other(visit.url())
    mode, card = _at_bank(visit)
    return page("bank.html", order=visit.order, mode=mode, card=card, back=visit.url())


async def answer_bank(visit: Visit) -> web.Response:
    """The simulator's Success / Failure / Pending; success takes the OTP or the password."""
    form, (mode, card) = await read_form(visit.request), _at_bank(visit)
    outcome = str(form.get("outcome", ""))
    if outcome not in BANK_OUTCOMES or mode not in visit.order.offer.modes:
        return await show_bank(visit)
    if outcome == "success" and not _is_proved(mode, form):
        return await _fail(visit, mode, instruments.NOT_AUTHENTICATED)
    await visit.act(_outcome(outcome), mode, card=card, failure=AUTO_FAILED)
    return visit.leave()


def _is_proved(mode: str, form: Any) -> bool:
    if mode == "CARD":
        return bool(form.get("otp") == instruments.OTP)
    return (form.get("user"), form.get("password")) == (instruments.BANK_USER, instruments.BANK_PASSWORD)
