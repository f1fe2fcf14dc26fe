"""Answers of PENDING and FAILED orders and refunds, as a running emulator gives them."""

import urllib.request

from tests.phonepe_sandbox.processes import emulator

PENDING_BY = {"UNTRIED": None, "TRIED": "retry", "UNDER-WAY": "pending"}
FAILED_BY = {"REFUSED": "failure", "CANCELLED": "cancel", "EXPIRED": None}


def recorded():
    """Name → body as it came, of order status, refund status and refund answers."""
    with emulator() as one:
        for name, outcome in (PENDING_BY | FAILED_BY).items():
            one.pay(name, expireAfter=300 if name == "EXPIRED" else 3600, metaInfo={"udf1": "COMPLETED"})
            if outcome:
                one.control("POST", f"/orders/{name}/outcome", {"outcome": outcome})
        one.control("POST", "/clock", {"advance": 301})
        found = {name: ask(one, f"/checkout/v2/order/{name}/status") for name in PENDING_BY | FAILED_BY}
        return found | refunds(one)


def refunds(one):
    """A refund when accepted, PENDING, CONFIRMED and FAILED."""
    one.control("POST", "/settings", {"refund_outcome": "FAILED", "refund_confirm_after": 100})
    one.pay("PAID")
    one.control("POST", "/orders/PAID/outcome", {"outcome": "success"})
    one.api(
        "POST",
        "/payments/v2/refund",
        {"merchantRefundId": "R-1", "originalMerchantOrderId": "PAID", "amount": 1000},
    )
    found = {"REFUND PENDING": ask(one, "/payments/v2/refund/R-1/status")}
    for state, step_s in (("CONFIRMED", 100.5), ("FAILED", 100)):
        one.control("POST", "/clock", {"advance": step_s})
        found[f"REFUND {state}"] = ask(one, "/payments/v2/refund/R-1/status")
    return found


def ask(one, path):
    address = f"{one.url}/apis/pg-sandbox{path}?details=true&errorContext=true"
    request = urllib.request.Request(address, headers={"Authorization": f"O-Bearer {one.token()}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()
