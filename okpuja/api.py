"""The JSON API, put together; every refusal and every accident becomes the contract's error shape here."""

from __future__ import annotations

from ninja import Swagger

from cart.api import router as cart_router
from catalog.api import router as catalog_router
from okpuja.openapi import DescribedAPI
from payments import failures
from payments.api import router as payments_router

DESCRIPTION = """
Payments complete themselves on the server; a front end only reads a status.

Success is `{"success": true, "data": …}`, an error `{"success": false, "code": "…", "message": "…"}`: show
`message`, decide by `code`. Amounts are integer paise unless said otherwise, instants ISO 8601 in UTC. A guest needs
no cookie: the `cart_id` is the key to their cart. The cart of a signed-in customer opens to their session alone.
"""

api = DescribedAPI(
    title="OkPuja Payments",
    version="1",
    description=DESCRIPTION,
    docs=Swagger(
        settings={"validatorUrl": None, "docExpansion": "list"}
    ),  # asks no other host what it thinks
    docs_url="/docs",
    openapi_url="/openapi.json",
    urls_namespace="api",
)
api.add_router("/catalog/", catalog_router)
api.add_router("/cart/", cart_router)
api.add_router("/payments/", payments_router)
failures.shape(api)
