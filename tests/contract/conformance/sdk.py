"""PhonePe's SDK, pointed at the emulator. `point_at` must run before anything else of the SDK is imported."""

from __future__ import annotations

import logging
import os
import warnings
from typing import Any

from tests.contract.conformance.emulator import CLIENT_ID, CLIENT_SECRET, CLIENT_VERSION


def point_at(origin: str) -> None:
    """Set the SDK's base-URL constants (both environments) to the gateway at `origin`."""
    from phonepe.sdk.pg.common.constants import base_urls

    base_urls.SANDBOX_PG_BASE_URL = base_urls.SANDBOX_OAUTH_BASE_URL = f"{origin}/apis/pg-sandbox"
    base_urls.PROD_PG_BASE_URL = base_urls.PROD_PCI_PG_BASE_URL = f"{origin}/apis/pg"
    base_urls.PROD_OAUTH_BASE_URL = f"{origin}/apis/identity-manager"
    base_urls.PROD_EVENT_INGESTION_BASE_URL = f"{origin}/apis/pg-ingestion"
    os.environ["NO_PROXY"] = "127.0.0.1"  # requests would ask a proxy of the environment otherwise
    logging.disable(logging.CRITICAL)  # the SDK logs every refusal that a check provokes
    warnings.simplefilter("ignore")  # and its models warn of every field that the gateway leaves out


def client(**changes: Any) -> Any:
    """A StandardCheckoutClient with the emulator's credentials; `env="PRODUCTION"` for the other layout."""
    from phonepe.sdk.pg.env import Env
    from phonepe.sdk.pg.payments.v2.standard_checkout_client import StandardCheckoutClient

    given = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "client_version": CLIENT_VERSION,
        "env": "SANDBOX",
        "should_publish_events": False,
    } | changes
    return StandardCheckoutClient(**given | {"env": Env(given["env"])})
