"""`settle_attention`: a person has seen to an order that needed attention."""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from payments import byhand
from payments.errors import NotFound
from payments.states import Attention

REFUSED, UNKNOWN = 1, 4
EPILOG = """
No money moves: give it back first, or see to it in PhonePe's dashboard. The same reason is not raised again for
this order while nothing new is heard of it; name and reason stay in its timeline (payment_status MERCHANT_ORDER_ID).

example:
  manage.py settle_attention OKP-... --by asha --reason "The bank returned the sum, reference 4711."
"""


class Command(BaseCommand):
    help = (
        "Mark an order that needs attention as settled: a person has seen to it. "
        "Exit code: 0 settled, 1 nothing to settle or still something to do, 4 no such order."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class, parser.epilog = RawDescriptionHelpFormatter, EPILOG
        parser.add_argument("merchant_order_id", metavar="MERCHANT_ORDER_ID")
        parser.add_argument("--by", required=True, metavar="NAME", help="who has seen to it")
        parser.add_argument("--reason", required=True, metavar="TEXT", help="how")
        parser.add_argument(
            "--seen",
            choices=[str(why) for why in Attention if why],
            help="the reason that you saw; if it is another by now, nothing is done",
        )

    def handle(
        self, *, merchant_order_id: str, by: str, reason: str, seen: str | None, **options: Any
    ) -> None:
        by, reason = by.strip(), reason.strip()
        if not by or not reason:
            raise CommandError("--by and --reason must say something.")
        now = timezone.now()
        try:
            order = byhand.settle_attention(merchant_order_id, by=by, reason=reason, seen=seen, now=now)
        except NotFound:
            raise CommandError(f"There is no order {merchant_order_id}.", returncode=UNKNOWN) from None
        except byhand.NotSettleable as refusal:
            raise CommandError(f"{merchant_order_id}: {refusal.message}", returncode=REFUSED) from None
        what = Attention(order.handled).label
        self.stdout.write(f"{order.merchant_order_id}: settled by {by} ({what}).")
