"""The staff's pages."""

from django.urls import path

from ops import attention, charts, days, evidence, hands, now, orders, search

app_name = "ops"

urlpatterns = [
    path("", now.now, name="now"),
    path("attention/", attention.attention, name="attention"),
    path("charts/", charts.charts, name="charts"),
    path("days/", days.day, name="day"),
    path("days/csv/", days.day_csv, name="day_csv"),
    path("search/", search.search, name="search"),
    path("orders/<str:merchant_order_id>/", orders.show, name="order"),
    path("orders/<str:merchant_order_id>/evidence/", evidence.evidence, name="evidence"),
    path("orders/<str:merchant_order_id>/evidence.json", evidence.evidence_json, name="evidence_json"),
    path("orders/<str:merchant_order_id>/verify/", hands.verify, name="verify"),
    path("orders/<str:merchant_order_id>/refund/", hands.refund, name="refund"),
    path("orders/<str:merchant_order_id>/book/", hands.book, name="book"),
    path("orders/<str:merchant_order_id>/settle/", hands.settle, name="settle"),
]
