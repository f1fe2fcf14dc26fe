"""Schemathesis against the live site, as staff and as PhonePe: whatever it sends, the document has said what comes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from string import Template

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client

from cart.models import Cart
from catalog.models import Package
from payments.models import PaymentOrder, Refund, WebhookDelivery
from payments.states import Fulfilment, Status
from tests import make
from tests.cart import rows
from tests.journeys.customer import CREDENTIAL, orders_known_to
from tests.ports import free_port
from tests.processes import checker, web
from tests.sandbox import Sandbox

CONFIG = Template(Path(__file__).with_name("schemathesis.toml").read_text())
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "10"))


def orders(sandbox: Sandbox) -> list[PaymentOrder]:
    """Paid, failed and begun ones, each with a cart."""
    paid = [
        make.paid_order(cart_id=str(rows.cart().cart_id), fulfilment=Fulfilment.UNFULFILLABLE)
        for _ in range(4)
    ]
    failed = make.order(Status.FAILED, cart_id=str(rows.cart().cart_id), next_check_at=None)
    return [*paid, failed, *orders_known_to(sandbox, state="COMPLETED", count=2, due_in_s=600)]


def staff_session() -> str:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("ravi"))
    return client.cookies["sessionid"].value


def config(known: list[PaymentOrder]) -> str:
    return CONFIG.substitute(
        seed=os.environ.get("SCHEMATHESIS_SEED", "20261124"),
        examples=EXAMPLES,
        session=staff_session(),
        credential=CREDENTIAL,
        csrf="0123456789abcdef" * 2,
        carts=json.dumps([*(order.cart_id for order in known), str(rows.cart().cart_id)]),
        orders=json.dumps([order.merchant_order_id for order in known]),
        days=json.dumps([rows.coming_day(days).isoformat() for days in (1, 40, 300)]),
        packages=json.dumps(list(Package.objects.values_list("pk", flat=True))),
    )


@pytest.mark.django_db(transaction=True)
def test_schemathesis_finds_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    call_command("seed_catalog", verbosity=0)
    written = tmp_path / "schemathesis.toml"
    written.write_text(config(orders(sandbox)))
    carts = Cart.objects.count()
    settings = {"PHONEPE_BASE_URL": sandbox.base_url, "ALLOWED_HOSTS": "*"}

    with (
        checker(log=tmp_path / "checker.log", **settings),
        web(log=tmp_path / "web.log", port=free_port(), **settings) as url,
    ):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "schemathesis.cli",
                "--config-file",
                str(written),
                "run",
                f"{url}/api/openapi.json",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    print(done.stdout)
    assert done.returncode == 0, done.stderr
    # It has come through to the shop and to the money, and was not refused at the door all the time.
    assert Cart.objects.count() > carts
    assert Refund.objects.exists()
    assert WebhookDelivery.objects.exists()
