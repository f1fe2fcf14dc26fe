"""Create a payment and wait for it, without Django: `python -m examples.create_and_wait ORD-1 149900`.

It asks the emulator (`make sandbox`). For PhonePe itself take your credentials and `Hosts.of("sandbox")`.
"""
# ruff: noqa: T201

import asyncio
import os
import sys
from contextlib import suppress

from phonepe_pg import Client, Credentials, Hosts, Malformed, PaymentRequest, RateLimited, Unavailable

BASE = os.environ.get("PHONEPE_BASE_URL", "http://localhost:8900/apis/pg-sandbox")


async def main(name: str, paise: int) -> None:
    async with Client(Credentials("SANDBOX_CLIENT", "sandbox-secret"), Hosts(pg=BASE, oauth=BASE)) as client:
        back = f"https://shop.example/back/{name}"
        created = await client.create_payment(
            PaymentRequest(merchant_order_id=name, amount_paise=paise, redirect_url=back, expire_after_s=900)
        )
        print("Pay here:", created.redirect_url, flush=True)
        status = None
        while not status or status.pending:  # it ends: what nobody pays becomes FAILED when it expires
            await asyncio.sleep(3)
            with suppress(RateLimited, Unavailable, Malformed):
                status = await client.order_status(name)
    print(status.state if (status.order_id, status.amount_paise) == (created.order_id, paise) else "MISMATCH")


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
