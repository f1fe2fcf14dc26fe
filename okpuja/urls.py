"""Where everything is."""

from django.contrib import admin
from django.urls import include, path

from okpuja import health
from okpuja.api import api

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.prometheus),
    path("admin/", admin.site.urls),
    path("api/payments/", include("payments.urls")),
    path("api/", api.urls),
    path("ops/", include("ops.urls")),
    path("", include("storefront.urls")),
]
