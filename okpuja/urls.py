"""Where everything is."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from okpuja import health
from okpuja.api import api

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.prometheus),
    # For pages that name no icon, the admin's: browsers ask here.
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}storefront/mark.svg")),
    path("admin/", admin.site.urls),
    path("api/payments/", include("payments.urls")),
    path("api/", api.urls),
    path("ops/", include("ops.urls")),
    path("", include("storefront.urls")),
]
