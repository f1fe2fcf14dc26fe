"""The page of everything that waits for a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ops import words
from ops.access import staff_page
from ops.hands import Button, buttons
from payments.models import PaymentEvent, PaymentOrder, Refund
from payments.states import COMPLETED, MISMATCHES, REFUND_OPEN, RefundState, Status

MOST = 100


@dataclass(frozen=True, slots=True)
class Case:
    """An order that needs a person: what is wrong, what to do, the money at stake and the steps."""

    order: PaymentOrder
    wrong: str
    advice: str
    stake_paise: int
    buttons: list[Button]


@staff_page()
@require_safe
def attention(request: HttpRequest) -> HttpResponse:
    """The cases, the one that waits longest first."""
    waiting = PaymentOrder.objects.exclude(attention="")
    found = cases(waiting, user=request.user)
    context = {"here": "attention", "cases": found, "total": waiting.count()}
    return render(request, "ops/attention.html", context)


def cases(waiting: QuerySet[PaymentOrder], *, user: Any) -> list[Case]:
    """Up to `MOST` cases among these orders, in three queries."""
    under_way = Refund.objects.filter(order=OuterRef("pk"), state__in=REFUND_OPEN)
    orders = waiting.annotate(
        given=Sum("refunds__amount", filter=~Q(refunds__state=RefundState.FAILED)),
        is_refunding=Exists(under_way),
    )
    orders = list(orders.order_by("attention_at", "pk")[:MOST])
    taken = _taken_by_phonepe(orders)
    return [_case(order, taken.get(order.pk), user=user) for order in orders]


def _case(order: PaymentOrder, taken_paise: int | None, *, user: Any) -> Case:
    is_paid = order.status == Status.SUCCESS
    left = order.amount - (order.given or 0) if is_paid else 0
    stake = left if is_paid else order.amount
    if order.attention in MISMATCHES and taken_paise is not None:
        stake = taken_paise
    wrong, advice = words.why(order.attention)
    steps = buttons(order, refundable_paise=0 if order.is_refunding else left, user=user)
    return Case(order, wrong, advice, stake, steps)


def _taken_by_phonepe(orders: list[PaymentOrder]) -> dict[int, int]:
    """By order, the sum that PhonePe called paid when the order was put before people."""
    mismatched = [order.pk for order in orders if order.attention in MISMATCHES]
    told = PaymentEvent.objects.filter(order__in=mismatched, kind=PaymentEvent.Kind.ATTENTION)
    latest = told.order_by("order_id", "-pk").distinct("order_id").values_list("order_id", "detail")
    sums = {
        order_id: (detail.get("body") or {}).get("amount")
        for order_id, detail in latest
        if detail.get("state") == COMPLETED
    }
    return {order_id: amount for order_id, amount in sums.items() if isinstance(amount, int)}
