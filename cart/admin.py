from django.contrib import admin

from cart.models import Cart


@admin.register(Cart)
class CartAdmin(admin.ModelAdmin):
    """To look at: what a customer has agreed to pay for is not edited by hand."""

    list_display = ("cart_id", "package", "date", "time", "name", "status", "created_at")
    list_filter = ("status", "date")
    list_select_related = ("package__puja",)
    search_fields = ("cart_id", "name", "email", "phone")
    date_hierarchy = "created_at"

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False
