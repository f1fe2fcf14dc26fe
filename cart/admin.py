from django import forms
from django.contrib import admin

from cart.models import Cart, Slot, SlotHold


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


class SlotForm(forms.ModelForm):
    """What staff may change of a time: how many can take place."""

    def clean_capacity(self):
        """Not fewer than are taken. The slot stays locked until it is saved, so that this stays true."""
        capacity = self.cleaned_data["capacity"]
        slot = Slot.objects.select_for_update(no_key=True).filter(pk=self.instance.pk).first()
        if slot is not None and capacity < slot.taken:
            raise forms.ValidationError(
                f"{slot.taken} are booked or being paid for already: the capacity cannot be less."
            )
        return capacity


class SlotHoldInline(admin.TabularInline):
    model = SlotHold
    extra = 0
    fields = readonly_fields = ("cart_id", "state", "created_at", "changed_at")
    ordering = ("-pk",)

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


@admin.register(Slot)
class SlotAdmin(admin.ModelAdmin):
    """How many can take place at one time; a time that nobody has chosen yet may be closed in advance."""

    form = SlotForm
    fields = ("puja", "date", "time", "capacity", "taken")
    list_display = ("puja", "date", "time", "taken", "capacity")
    list_filter = ("puja", "date")
    list_select_related = ("puja",)
    date_hierarchy = "date"
    inlines = (SlotHoldInline,)

    def get_readonly_fields(self, request, obj=None):
        return ("puja", "date", "time", "taken") if obj else ("taken",)

    def save_model(self, request, obj, form, change):
        if change:  # never a `taken` that was read with the form
            obj.save(update_fields=["capacity"])
        else:
            obj.save()

    def has_delete_permission(self, request, obj=None):
        return False
