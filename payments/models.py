"""The tables of the payment engine. The order's row is also its place in the queue.

`migrations/0002_guards.py` holds what Django's constraints cannot say: the legal moves, the columns that never change,
the limit of refunds; and `0007` that the audit trail is only ever appended to.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.utils import timezone

from payments.states import (
    COMPLETED,
    MISMATCHES,
    OPEN,
    REFUND_OPEN,
    Attention,
    Fulfilment,
    RefundState,
    Source,
    Status,
)


def new_merchant_order_id() -> str:
    """An id nobody can guess, within PhonePe's 63 characters of `[A-Za-z0-9_-]` (wire reference §3.1)."""
    return f"OKP-{timezone.localtime():%y%m%d}-{secrets.token_hex(10).upper()}"


def new_merchant_refund_id() -> str:
    """As an order's id; a refund id is never used for another refund (wire reference §5.2)."""
    return f"OKR-{timezone.localtime():%y%m%d}-{secrets.token_hex(10).upper()}"


class PaymentOrderQuerySet(models.QuerySet["PaymentOrder"]):
    def named(self, merchant_order_id: str) -> PaymentOrderQuerySet:
        """The order of this id, if any; whatever text somebody put into an address may be asked for."""
        if "\0" in merchant_order_id:  # PostgreSQL refuses to compare with it
            return self.none()
        return self.filter(merchant_order_id=merchant_order_id)

    def due(self, now: datetime) -> PaymentOrderQuerySet:
        """Orders whose time to be asked about has come and that nobody is asking about."""
        return self.filter(next_check_at__lte=now).unclaimed(now)

    def unclaimed(self, now: datetime) -> PaymentOrderQuerySet:
        """Orders that nobody is asking about; a claim ends by itself."""
        return self.filter(Q(leased_until__isnull=True) | Q(leased_until__lte=now))

    def open(self) -> PaymentOrderQuerySet:
        """Orders that the customer could still pay."""
        return self.filter(status__in=OPEN)

    def paid(self) -> PaymentOrderQuerySet:
        """Orders whose money arrived and was not given up as undeliverable.

        Also those that PhonePe calls COMPLETED and we do not, because its sum or id is another: their
        money is in, until a person has decided about it.
        """
        decided = Q(handled__in=MISMATCHES)
        disputed = Q(gateway_state=COMPLETED) & ~decided & ~Q(status=Status.SUCCESS)
        return self.filter(disputed | Q(status=Status.SUCCESS) & ~Q(fulfilment=Fulfilment.UNFULFILLABLE))

    def in_doubt(self) -> PaymentOrderQuerySet:
        """Orders that PhonePe may still complete and of which it says nothing that helps: a person finds out."""
        return self.filter(attention=Attention.STILL_PENDING)

    def telling_first(self) -> PaymentOrderQuerySet:
        """The order that speaks for its cart first: the booked one, a paid one, the open one, the newest."""
        weight = Case(
            When(fulfilment=Fulfilment.BOOKED, then=Value(0)),
            When(status=Status.SUCCESS, fulfilment=Fulfilment.DUE, then=Value(1)),
            When(status__in=OPEN, then=Value(2)),
            default=Value(3),
        )
        return self.order_by(weight, F("created_at").desc(), "-pk")


class PaymentOrder(models.Model):
    """One attempt to be paid for one reference of the shop (`cart_id`). `amount` is in paise."""

    merchant_order_id = models.CharField(max_length=63, unique=True, default=new_merchant_order_id)
    cart_id = models.CharField(max_length=64)
    amount = models.BigIntegerField(help_text="paise")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    created_at = models.DateTimeField(default=timezone.now)
    completed_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()
    snapshot = models.JSONField(default=dict, blank=True, help_text="what was bought, frozen at checkout")

    gateway_order_id = models.CharField(max_length=64, blank=True)
    gateway_state = models.CharField(max_length=32, blank=True, help_text="PhonePe's last word")
    pay_page_url = models.TextField(blank=True)
    failure_code = models.CharField(max_length=64, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True, help_text="by PhonePe's clock, for display")
    payment_mode = models.CharField(max_length=32, blank=True)
    utr = models.CharField(max_length=64, blank=True)
    completed_by = models.CharField(max_length=10, choices=Source.choices, blank=True)

    fulfilment = models.CharField(max_length=13, choices=Fulfilment.choices, blank=True)
    fulfilment_reference = models.CharField(max_length=64, blank=True)
    fulfil_attempts = models.PositiveSmallIntegerField(default=0)
    holding = models.BooleanField(
        default=False, db_default=False, help_text="the shop keeps what was ordered; see `holds`"
    )
    attention = models.CharField(max_length=20, choices=Attention.choices, blank=True)
    attention_at = models.DateTimeField(null=True, blank=True)
    handled = models.CharField(
        max_length=20,
        choices=Attention.choices,
        blank=True,
        default="",
        db_default="",
        help_text="the reason that a person has dealt with; it is not raised again",
    )

    next_check_at = models.DateTimeField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    crash_count = models.IntegerField(
        default=0,
        db_default=0,
        help_text="1: whoever had claimed it was lost; more: how often it was taken up since; see `fulfilment`",
    )
    nudged_at = models.DateTimeField(null=True, blank=True)
    nudged_by = models.CharField(max_length=10, choices=Source.choices, blank=True)
    verify_requested_at = models.DateTimeField(null=True, blank=True)
    asks = models.PositiveIntegerField(default=0)
    asked_after_ms = ArrayField(
        models.IntegerField(),
        default=list,
        db_default=[],
        blank=True,
        help_text="from creation to each of the last asks; negative when no answer came; see `asked`",
    )
    asked_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)

    objects = PaymentOrderQuerySet.as_manager()

    class Meta:
        db_table = "payments_order"
        indexes: ClassVar = [
            models.Index(
                name="payments_order_due", fields=["next_check_at"], condition=Q(next_check_at__isnull=False)
            ),
            models.Index(name="payments_order_cart", fields=["cart_id", "-created_at"]),
            models.Index(
                name="payments_order_attention", fields=["attention_at"], condition=~Q(attention="")
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="payments_order_one_open_per_cart",
                fields=["cart_id"],
                condition=Q(status__in=[*OPEN]),
            ),
            models.CheckConstraint(name="payments_order_amount", condition=Q(amount__gte=100)),
            models.CheckConstraint(name="payments_order_status", condition=Q(status__in=[*Status.values])),
            models.CheckConstraint(
                name="payments_order_completed_at",
                condition=Q(status=Status.SUCCESS, completed_at__isnull=False)
                | (~Q(status=Status.SUCCESS) & Q(completed_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="payments_order_fulfilment",
                condition=(~Q(status=Status.SUCCESS) & Q(fulfilment=""))
                | Q(status=Status.SUCCESS, fulfilment__in=["DUE", "BOOKED", "UNFULFILLABLE"]),
            ),
        ]

    def __str__(self) -> str:
        return self.merchant_order_id

    @property
    def noticed_by(self) -> Source:
        """Who is said to have noticed what an answer tells: whoever hurried the order, else the checker."""
        return Source(self.nudged_by or Source.CHECKER)

    def is_claimed(self, now: datetime) -> bool:
        """Whether somebody is asking about it."""
        return self.leased_until is not None and self.leased_until > now

    @property
    def is_disputed(self) -> bool:
        """Whether PhonePe took money for it, of another sum or by another id, and nobody has decided; as in `paid`."""
        is_decided = self.handled in MISMATCHES
        return self.gateway_state == COMPLETED and self.status != Status.SUCCESS and not is_decided

    @property
    def is_final(self) -> bool:
        """Nothing more will happen that the customer has to wait for."""
        return self.status in (Status.FAILED, Status.CANCELLED, Status.EXPIRED) or (
            self.status == Status.SUCCESS and self.fulfilment != Fulfilment.DUE
        )


class PaymentEvent(models.Model):
    """One line of an order's audit trail: an ask and its answer, a nudge, a move, a consequence.

    Rows are appended and never changed; the database refuses anything else.
    """

    class Kind(models.TextChoices):
        CREATED = "created"
        NUDGED = "nudged"
        ANSWERED = "answered"
        MOVED = "moved"
        FULFILLED = "fulfilled"
        UNFULFILLABLE = "unfulfillable"
        FULFILMENT_RAISED = "fulfilment_raised"
        RELEASED = "released"
        ATTENTION = "attention"
        REFUND = "refund"

    order = models.ForeignKey(
        PaymentOrder, on_delete=models.PROTECT, related_name="events", db_index=False
    )  # `payments_event_order` begins with it
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    source = models.CharField(max_length=10, choices=Source.choices, blank=True)
    from_status = models.CharField(max_length=10, blank=True)
    to_status = models.CharField(max_length=10, blank=True)
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        db_table = "payments_event"
        indexes: ClassVar = [
            models.Index(name="payments_event_order", fields=["order", "id"]),
            # Rows lie in the order of time, so some 60 kB of block ranges find an hour among years.
            BrinIndex(name="payments_event_at", fields=["at"], pages_per_range=32, autosummarize=True),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.to_status}".strip()


class Refund(models.Model):
    """Money going back for one order. `amount` is in paise; one refund of an order at a time."""

    merchant_refund_id = models.CharField(max_length=63, unique=True, default=new_merchant_refund_id)
    order = models.ForeignKey(PaymentOrder, on_delete=models.PROTECT, related_name="refunds")
    amount = models.BigIntegerField(help_text="paise")
    state = models.CharField(max_length=10, choices=RefundState.choices, default=RefundState.DUE)
    reason = models.CharField(max_length=200)
    requested_by = models.CharField(max_length=150)
    idempotency_key = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="of the request, if it had one; a repeat of it finds this refund",
    )
    gateway_refund_id = models.CharField(max_length=64, blank=True)
    error_code = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True, help_text="written before the first call is made")
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "payments_refund"
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="payments_refund_one_open_per_order",
                fields=["order"],
                condition=Q(state__in=[*REFUND_OPEN]),
            ),
            models.UniqueConstraint(
                name="payments_refund_idempotency",
                fields=["order", "idempotency_key"],
                condition=~Q(idempotency_key=""),
            ),
            models.CheckConstraint(name="payments_refund_amount", condition=Q(amount__gte=1)),
            models.CheckConstraint(
                name="payments_refund_state", condition=Q(state__in=[*RefundState.values])
            ),
        ]

    def __str__(self) -> str:
        return self.merchant_refund_id


class WebhookDelivery(models.Model):
    """One callback as it was received, once per content; a repeat only counts up `deliveries`."""

    class State(models.TextChoices):
        RECEIVED = "received", "stored; nothing was made of it yet"
        NUDGED = "nudged", "the order or refund it names was hurried"
        PARKED = "parked", "names an order that is not here (yet)"
        IGNORED = "ignored", "an event that is not ours to act on"

    body_sha256 = models.CharField(max_length=64, unique=True)
    received_at = models.DateTimeField(default=timezone.now)
    deliveries = models.PositiveIntegerField(default=1)
    event = models.CharField(max_length=64, blank=True)
    merchant_order_id = models.CharField(max_length=63, blank=True)
    merchant_refund_id = models.CharField(max_length=63, blank=True)
    gateway_refund_id = models.CharField(max_length=64, blank=True, default="", db_default="")
    state = models.CharField(max_length=10, choices=State.choices)
    body = models.JSONField(default=dict, help_text="personal data masked")

    class Meta:
        db_table = "payments_webhook"
        verbose_name_plural = "webhook deliveries"
        indexes: ClassVar = [
            models.Index(name="payments_webhook_order", fields=["merchant_order_id"]),
            models.Index(
                name="payments_webhook_undone", fields=["id"], condition=Q(state__in=["received", "parked"])
            ),
            models.Index(name="payments_webhook_received", fields=["received_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.merchant_order_id or self.merchant_refund_id}"


class AuditRun(models.Model):
    """What one run of the auditor found, before its repairs: how many orders break which rule."""

    at = models.DateTimeField(db_index=True)
    took_ms = models.PositiveIntegerField()
    findings = models.JSONField(default=dict, help_text="question → orders; empty when all is well")
    is_whole = models.BooleanField(default=False, db_default=False, help_text="asked about everything")
    broken = models.JSONField(
        null=True, help_text="question → what it found, to be looked at again; of the last run only"
    )

    class Meta:
        db_table = "payments_audit"

    def __str__(self) -> str:
        return f"{sum(self.findings.values())} findings"


class GatewayThrottle(models.Model):
    """How fast all processes together may call PhonePe now: one row, read and written by `throttle`."""

    rate = models.FloatField(help_text="calls per second")
    tokens = models.FloatField(default=1)
    refilled_at = models.DateTimeField()
    adapted_at = models.DateTimeField()
    refused_rate = models.FloatField(default=0, db_default=0, help_text="the rate when the last 429 came")
    limited_until = models.DateTimeField(null=True, blank=True, help_text="PhonePe asked for quiet")
    blocked_until = models.DateTimeField(null=True, blank=True)
    priority_until = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="in a row")
    pause_s = models.FloatField(default=0, help_text="of the open breaker; 0 means closed")
    probing = models.BooleanField(default=False, help_text="the open breaker let one call through")

    class Meta:
        db_table = "payments_throttle"
        constraints: ClassVar = [
            models.CheckConstraint(name="payments_throttle_one_row", condition=Q(id=1)),
        ]

    def __str__(self) -> str:
        return f"{self.rate:g}/s"


class Checker(models.Model):
    """A checker process and when it was last alive, for `readyz` and `payment_status`."""

    name = models.CharField(max_length=100, unique=True, help_text="host:pid")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    interval_s = models.FloatField()
    version = models.CharField(max_length=40, blank=True, default="", db_default="")
    swept_at = models.DateTimeField(null=True, blank=True, help_text="when it last went over the queue")

    class Meta:
        db_table = "payments_checker"

    def __str__(self) -> str:
        return self.name


class MetricsTally(models.Model):
    """The metrics' sums over the whole history: one row, read and written by `tally`."""

    up_to = models.DateTimeField(help_text="`totals` hold every event before this")
    totals = models.JSONField(default=dict)
    states = models.JSONField(default=dict, help_text="orders and refunds by state, as of `states_at`")
    states_at = models.DateTimeField(null=True)
    states_took_ms = models.PositiveIntegerField(default=0)
    shown = models.JSONField(default=dict, help_text="what is told to whoever asks, as of `shown_at`")
    shown_at = models.DateTimeField()

    class Meta:
        db_table = "payments_tally"
        constraints: ClassVar = [
            models.CheckConstraint(name="payments_tally_one_row", condition=Q(id=1)),
        ]

    def __str__(self) -> str:
        return f"up to {self.up_to}"
