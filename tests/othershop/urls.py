"""Where everything is."""

from django.urls import include, path
from ninja import NinjaAPI

from payments import failures
from payments.api import router
from tests.othershop.courses import views

api = NinjaAPI(title="Courses", docs_url=None, urls_namespace="api")
api.add_router("/payments/", router)
failures.shape(api)

urlpatterns = [
    path("courses/<int:course_id>/enrol/", views.enrol),
    path("booking-success/<str:enrolment>", views.success),
    path("payment-pending/<str:reference>", views.pending),
    path("payment-failed/<str:reference>", views.failed),
    path("courses/money/<str:reference>/", views.money),
    path("metrics", views.prometheus),
    path("api/payments/", include("payments.urls")),
    path("api/", api.urls),
]
