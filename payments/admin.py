"""Orders and what belongs to them in the Django admin: to read. Money is moved by the engine alone."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from payments.models import PaymentEvent, PaymentOrder, Refund, WebhookDelivery


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """Nobody adds, changes or deletes these by hand."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class EventInline(admin.TabularInline):  # type: ignore[type-arg]
    model = PaymentEvent
    extra = 0
    can_delete = False
    fields = readonly_fields = ("at", "kind", "source", "from_status", "to_status", "detail")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(PaymentOrder)
class PaymentOrderAdmin(ReadOnly):
    list_display = (
        "merchant_order_id",
        "status",
        "amount",
        "fulfilment_reference",
        "created_at",
        "attention",
    )
    list_filter = ("status", "fulfilment", "attention")
    search_fields = ("merchant_order_id", "cart_id", "fulfilment_reference", "utr", "gateway_order_id")
    readonly_fields = ("cart",)
    exclude = ("pay_page_url", "snapshot", "cart_id")  # who is named in it, and what opens a guest's cart
    inlines = (EventInline,)

    @admin.display(description="cart")
    def cart(self, order: PaymentOrder) -> str:
        """Enough to tell carts apart; whoever has the whole id has a guest's cart."""
        return f"{order.cart_id[:8]}…"


@admin.register(Refund)
class RefundAdmin(ReadOnly):
    list_display = ("merchant_refund_id", "order", "amount", "state", "created_at")
    list_filter = ("state",)
    search_fields = ("merchant_refund_id", "order__merchant_order_id")


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnly):
    list_display = ("received_at", "event", "merchant_order_id", "state", "deliveries")
    list_filter = ("state", "event")
    search_fields = ("merchant_order_id", "merchant_refund_id")
