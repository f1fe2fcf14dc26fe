"""Create a payment, wait for its end: `python -m examples.create_and_wait ORD-1 149900`, beside `make sandbox`."""

import asyncio
import sys
from contextlib import suppress

import phonepe_pg as pg


async def main(name: str, paise: int, base: str = "http://localhost:8900/apis/pg-sandbox") -> None:
    url = f"https://shop.example/back/{name}"
    bill = pg.PaymentRequest(merchant_order_id=name, amount_paise=paise, redirect_url=url, expire_after_s=900)
    async with pg.Client(pg.Credentials("SANDBOX_CLIENT", "sandbox-secret"), pg.Hosts(base, base)) as client:
        created = await client.create_payment(bill)
        print("Pay here:", created.redirect_url, flush=True)
        status = None
        while not status or status.pending:  # it ends: what nobody pays becomes FAILED when it expires
            await asyncio.sleep(3)
            with suppress(pg.RateLimited, pg.Unavailable, pg.Malformed, pg.UnknownOrder):
                status = await client.order_status(name)
    same = (status.order_id, status.amount_paise) == (created.order_id, paise)
    print(status.state if same else "MISMATCH")


asyncio.run(main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
