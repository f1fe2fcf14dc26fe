"""Templates, and the words for money and time on them."""

import json
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from phonepe_sandbox.identity import IST


def rupees(paise: int) -> str:
    """`₹1,499.00`, grouped the Indian way: 3 digits, then pairs."""
    whole, rest = divmod(paise, 100)
    head, tail = str(whole)[:-3], str(whole)[-3:]
    pairs: list[str] = []
    while head:
        head, pair = head[:-2], head[-2:]
        pairs.insert(0, pair)
    return f"₹{','.join([*pairs, tail])}.{rest:02d}"


def ist(at_ms: int) -> str:
    """A moment as the customer's clock shows it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(IST).strftime("%d %b %Y, %H:%M:%S IST")


def span(milliseconds: int) -> str:
    """`14 min 05 s`."""
    minutes, seconds = divmod(max(0, milliseconds) // 1000, 60)
    return f"{minutes} min {seconds:02d} s"


def pretty(body: str) -> str:
    """A JSON body laid out for reading; anything else as it is."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body


TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)
TEMPLATES.filters.update(rupees=rupees, ist=ist, span=span, pretty=pretty)


def page(template: str, *, status: int = 200, **values: Any) -> web.Response:
    """A page that loads nothing from anywhere."""
    nonce = secrets.token_urlsafe(12)
    html = TEMPLATES.get_template(template).render(nonce=nonce, **values)
    headers = {
        # No `form-action`: browsers apply it to the redirect to the merchant as well.
        # No `frame-ancestors`: the merchant's page holds the pay page in a frame (§3.5).
        "Content-Security-Policy": f"default-src 'none'; style-src 'nonce-{nonce}'; "
        f"script-src 'nonce-{nonce}'; img-src data:; base-uri 'none'",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    # A lone surrogate is legal in JSON and impossible in UTF-8.
    body = html.encode("utf-8", "replace")
    return web.Response(status=status, body=body, content_type="text/html", charset="utf-8", headers=headers)


def message(
    title: str, text: str, *, status: int = 200, link: str | None = None, result: str | None = None
) -> web.Response:
    """A page with nothing but a message; `result` is told to the page that holds this one in a frame."""
    return page("message.html", status=status, title=title, text=text, link=link, result=result)


def see_other(url: str) -> web.Response:
    """A GET redirect without parameters (§3.5); the address goes out byte for byte."""
    return web.Response(status=303, headers={"Location": url, "Cache-Control": "no-store"})
