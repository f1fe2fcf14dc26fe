from django import forms
from django.contrib import admin
from django.utils import timezone

from bookings.models import Booking
from cart import slots


class BookingForm(forms.ModelForm):
    """Where, for whom and when; a new time must have a place left."""

    moved_to = None  # the `When` that a changed date or time asks for, once the form is clean

    def clean(self):
        """The new time stays locked until the booking is saved, so that its place is still there then."""
        cleaned = super().clean()
        # First the booking, which a mail may be holding for a minute: no customer shall wait for the slot meanwhile.
        Booking.objects.select_for_update(no_key=True).get(pk=self.instance.pk)
        was = slots.booked_at(self.instance.cart_id)  # none: of before there were slots, and free to move
        day, at = cleaned.get("date"), cleaned.get("time")
        if was is None or day is None or at is None or (day, at) == (was.date, was.time):
            return cleaned
        self.moved_to = slots.When(was.puja_id, day, at)
        try:
            slots.lock_both(was, self.moved_to)
            slots.refuse_full(self.moved_to, now=timezone.localtime())
        except slots.SlotFull as full:
            raise forms.ValidationError({"time": full.message}) from full
        return cleaned


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
        # Never a column that was read with the form, as when a mail went out.
        moved = {"date", "time"} if form.moved_to else set()
        obj.save(update_fields={*form.changed_data, *moved})
        if form.moved_to:
            slots.move(obj.cart_id, form.moved_to)

    def has_add_permission(self, request):
        return False

    def has_delete_permission(self, request, obj=None):
        return False
