from django.contrib import admin

from bookings.models import Booking


@admin.register(Booking)
class BookingAdmin(admin.ModelAdmin):
    """Staff may mend where and for whom; what was bought and paid stays as it is."""

    list_display = ("booking_id", "puja", "package", "date", "time", "name", "amount", "confirmation_sent_at")
    list_filter = ("date", "puja")
    search_fields = ("booking_id", "cart_id", "merchant_order_id", "name", "email", "phone")
    date_hierarchy = "date"
    readonly_fields = (
        "booking_id",
        "cart_id",
        "merchant_order_id",
        "puja",
        "package",
        "amount",
        "owner",
        "created_at",
        "confirmation_sent_at",
    )

    def has_add_permission(self, request):
        return False

    def has_delete_permission(self, request, obj=None):
        return False
