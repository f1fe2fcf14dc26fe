"""The JSON API, put together; every refusal and every accident becomes the contract's error shape here."""

from __future__ import annotations

from ninja import NinjaAPI

from cart.api import router as cart_router
from catalog.api import router as catalog_router
from payments import failures
from payments.api import router as payments_router

api = NinjaAPI(
    title="OkPuja Payments",
    version="1",
    description="Payments complete themselves on the server; a front end only reads a status.",
    docs_url="/docs",
    openapi_url="/openapi.json",
    urls_namespace="api",
)
api.add_router("/catalog/", catalog_router)
api.add_router("/cart/", cart_router)
api.add_router("/payments/", payments_router)
failures.shape(api)
