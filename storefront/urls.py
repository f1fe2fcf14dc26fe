"""The customers' pages. The three result pages have exactly these paths by contract; a slash is forgiven."""

from django.contrib.auth import views as auth
from django.urls import path, re_path
from django.views.i18n import set_language

from storefront import account, catalogue, checkout, results

CART = r"(?P<cart_id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"

app_name = "storefront"

urlpatterns = [
    path("", catalogue.catalogue, name="catalogue"),
    path("puja/<slug:slug>/", catalogue.puja, name="puja"),
    path("cart/<uuid:cart_id>/", checkout.cart, name="cart"),
    path("cart/<uuid:cart_id>/pay/", checkout.pay, name="pay"),
    re_path(r"^booking-success/(?P<booking_id>BK-[0-9A-F]{8})/?$", results.booked, name="booked"),
    re_path(
        r"^booking-success/(?P<booking_id>BK-[0-9A-F]{8})/calendar\.ics$", results.calendar, name="calendar"
    ),
    re_path(rf"^payment-pending/{CART}/?$", results.pending, name="pending"),
    re_path(rf"^payment-failed/{CART}/?$", results.failed, name="failed"),
    path("language/", set_language, name="language"),
    path("my-bookings/", account.my_bookings, name="my_bookings"),
    path(
        "accounts/login/",
        auth.LoginView.as_view(template_name="storefront/login.html", redirect_authenticated_user=True),
        name="login",
    ),
    path("accounts/logout/", auth.LogoutView.as_view(next_page="storefront:catalogue"), name="logout"),
]
