"""Orders and what belongs to them in the Django admin: to read. Money is moved by the engine alone."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from payments import finding
from payments.models import PaymentEvent, PaymentOrder, Refund, WebhookDelivery


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """Nobody adds, changes or deletes these by hand."""

    show_full_result_count = False  # beside what was found: it costs reading the whole table

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class FoundById(ReadOnly):
    """Searched by an order's ids as `payments.finding` does: `LIKE` would read years of payments at each search."""

    search_fields = ("merchant_order_id",)  # that there is a field to search in
    search_help_text = "The whole id of an order, its cart or a refund, PhonePe's order id, or a UTR."
    order_field = "pk"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term:
            return queryset, False
        found = finding.newest(finding.by_id(search_term.strip()), most=self.list_per_page)
        return queryset.filter(**{f"{self.order_field}__in": [order.pk for order in found]}), False


class EventInline(admin.TabularInline):  # type: ignore[type-arg]
    model = PaymentEvent
    extra = 0
    can_delete = False
    fields = readonly_fields = ("at", "kind", "source", "from_status", "to_status", "detail")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(PaymentOrder)
class PaymentOrderAdmin(FoundById):
    list_display = (
        "merchant_order_id",
        "status",
        "amount",
        "fulfilment_reference",
        "created_at",
        "attention",
    )
    list_filter = ("status", "fulfilment", "attention")
    readonly_fields = ("cart",)
    exclude = ("pay_page_url", "snapshot", "cart_id")  # who is named in it, and what opens a guest's cart
    inlines = (EventInline,)

    @admin.display(description="cart")
    def cart(self, order: PaymentOrder) -> str:
        """Enough to tell carts apart; whoever has the whole id has a guest's cart."""
        return f"{order.cart_id[:8]}…"


@admin.register(Refund)
class RefundAdmin(FoundById):
    list_display = ("merchant_refund_id", "order", "amount", "state", "created_at")
    list_filter = ("state",)
    order_field = "order"


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnly):
    list_display = ("received_at", "event", "merchant_order_id", "state", "deliveries")
    list_filter = ("state", "event")
    search_fields = ("merchant_order_id__exact", "merchant_refund_id__exact")
    search_help_text = "The whole id of an order or a refund."
