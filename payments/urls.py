"""The doors that are no JSON endpoints of ours: PhonePe's callback, the return page, the event stream."""

from django.urls import path

from payments import pages, stream, webhooks

app_name = "payments"

urlpatterns = [
    path("webhook/phonepe/", webhooks.phonepe, name="webhook"),
    path("return/<str:merchant_order_id>/", pages.come_back, name="return"),
    path("cart/<str:cart_id>/events/", stream.events, name="events"),
]
