from django import forms
from django.contrib import admin
from django.utils import timezone

from bookings.models import Booking
from cart import slots


class BookingForm(forms.ModelForm):
    """Where, for whom and when; a new time must have a place left."""

    def clean(self):
        """The new time stays locked until the booking is saved, so that its place is still there then."""
        cleaned = super().clean()
        # First the booking, which a mail may be holding for a minute: no customer shall wait for the slot meanwhile.
        Booking.objects.select_for_update(no_key=True).get(pk=self.instance.pk)
        was, to = slots.booked_at(self.instance.cart_id), self.moved_to()
        if was is None or to is None:
            return cleaned
        try:
            slots.lock_both(was, to)
            slots.refuse_full(to, now=timezone.localtime())
        except slots.SlotFull as full:
            raise forms.ValidationError({"time": full.message}) from full
        return cleaned

    def moved_to(self):
        """The `When` that a changed date or time asks for; None when nothing moves, or no place was ever taken."""
        day, at = self.cleaned_data.get("date"), self.cleaned_data.get("time")
        slot = slots.booked_at(self.instance.cart_id)
        if slot is None or day is None or at is None or (day, at) == (slot.date, slot.time):
            return None
        return slots.When(slot.puja_id, day, at)


@admin.register(Booking)
class BookingAdmin(admin.ModelAdmin):
    """Staff may mend where, for whom and when; what was bought and paid stays as it is."""

    form = BookingForm
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

    def save_model(self, request, obj, form, change):
        to = form.moved_to()
        # Never a column that was read with the form, as when a mail went out.
        moved = {"date", "time"} if to is not None else set()
        obj.save(update_fields={*form.changed_data, *moved})
        if to is not None:
            slots.move(obj.cart_id, to)

    def has_add_permission(self, request):
        return False

    def has_delete_permission(self, request, obj=None):
        return False
