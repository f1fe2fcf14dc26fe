"""What a browser may do on our pages: the Content-Security-Policy."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from csp.constants import UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest

SELF, NONE = "'self'", "'none'"
PAY_PAGES = (
    "https://*.phonepe.com"  # mercury-… hosts, which differ by environment and time (wire reference §1)
)

# Pages of libraries that style their elements inline: Swagger UI, Procrastinate's list of jobs.
INLINE_STYLES = ("/api/docs", "/admin/procrastinate/")


class Policy(CSPMiddleware):  # type: ignore[misc]
    """The policy of the settings on every page; scripts are never inline, styles on two libraries' pages alone."""

    def get_policy_parts(self, request: HttpRequest, *args: Any, **kwargs: Any) -> PolicyParts:
        parts = super().get_policy_parts(request, *args, **kwargs)
        if request.path.startswith(INLINE_STYLES):
            parts.update = {"style-src": UNSAFE_INLINE}
        return parts


def policy(gateway: str) -> dict[str, list[str]]:
    """Everything from our own host, nothing inline, never in a frame; forms may lead to PhonePe's pay page.

    Browsers hold a form's redirects to `form-action` as well. `gateway` is PHONEPE_BASE_URL, or "": an emulator's
    pay pages are on its own host, PhonePe's are on none of those that are asked.
    """
    return {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF, _pay_pages(gateway)],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }


def _pay_pages(gateway: str) -> str:
    base = urlsplit(gateway)
    is_emulator = base.netloc and not (base.hostname or "").endswith(".phonepe.com")
    return f"{base.scheme}://{base.netloc}" if is_emulator else PAY_PAGES
