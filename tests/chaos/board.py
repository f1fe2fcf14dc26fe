"""The tables at the end, and the timelines of orders that broke a rule."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Count
from procrastinate.contrib.django.models import ProcrastinateJob
from rich.console import Console
from rich.table import Table

from payments.management.commands.payment_status import timeline
from payments.models import PaymentOrder
from payments.standing import rupees
from tests.chaos import verdict
from tests.chaos.tally import Tally
from tests.chaos.verdict import Breach

KEPT = 200  # timelines


def money() -> Table:
    """Where the gateway's money is: by the emulator's books and our tables."""
    table = Table(title="What became of the money", title_justify="left")
    for heading, justify in (("", "left"), ("orders", "right"), ("₹", "right")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    rows = verdict.sums()
    paid = [row for row in rows if row[0] != "not paid"]
    table.add_row("paid", f"{sum(r[1] for r in paid):,}", rupees(sum(r[2] for r in paid)), end_section=True)
    for what, count, paise in paid:
        table.add_row(f"  {what}", f"{count:,}", rupees(paise))
    for what, count, _ in rows:
        if what == "not paid":
            table.add_row(what, f"{count:,}", "", style="dim")
    return table


def events(tally: Tally) -> Table:
    """What happened meanwhile, by subject."""
    table = Table(title="What happened meanwhile", title_justify="left")
    for heading in ("", "in all", "of it"):
        table.add_column(heading, overflow="fold")
    for subject, counts in tally.counts.items():
        parts = ", ".join(f"{what} {count:,}" for what, count in sorted(counts.items()) if count)
        table.add_row(subject, f"{counts.total():,}", parts)
    return table


def count_orders(tally: Tally) -> None:
    """Add how our orders stand and who noticed the payments."""
    for status, count in PaymentOrder.objects.values_list("status").annotate(Count("pk")):
        tally.count("our orders", status, count)
    noticed = PaymentOrder.objects.exclude(completed_by="").values_list("completed_by")
    for source, count in noticed.annotate(Count("pk")):
        tally.count("payments noticed by", source, count)


def broken(breaches: Sequence[Breach]) -> Table:
    """One line per breach."""
    table = Table(title="Broken", title_justify="left")
    for heading in ("", "rule", "order"):
        table.add_column(heading, overflow="fold")
    for breach in breaches:
        table.add_row(breach.kind, breach.rule, breach.merchant_order_id)
    return table


def sentence(breaches: Sequence[Breach]) -> str:
    """`0 lost, 0 double, 0 unexplained`: orders, each counted once for what it is."""
    by_kind = {kind: {b.merchant_order_id for b in breaches if b.kind == kind} for kind in verdict.KINDS}
    return ", ".join(f"{len(by_kind[kind])} {kind}" for kind in verdict.KINDS)


def keep_timelines(breaches: Sequence[Breach], book: Sequence[dict[str, Any]], folder: Path) -> None:
    """Write the timeline of each order that broke a rule, ours and the gateway's, to ORDER.json."""
    theirs = {one["merchantOrderId"]: one for one in book}
    for name in sorted({breach.merchant_order_id for breach in breaches})[:KEPT]:
        order = PaymentOrder.objects.filter(merchant_order_id=name).first()
        told = {
            "breaks": [breach.rule for breach in breaches if breach.merchant_order_id == name],
            "ours": order and timeline(order),
            "gateway": theirs.get(name),
            "jobs": order and _jobs(order),
        }
        text = json.dumps(told, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False)
        (folder / f"{name}.json").write_text(text)


def _jobs(order: PaymentOrder) -> list[dict[str, Any]]:
    """What is queued for the order's refunds; a job that has succeeded is deleted."""
    of_refunds = ProcrastinateJob.objects.filter(
        args__refund_id__in=list(order.refunds.values_list("pk", flat=True))
    )
    return list(of_refunds.values("id", "status", "lock", "args", "attempts", "scheduled_at", "worker"))


def show(console: Console, tally: Tally, breaches: Sequence[Breach]) -> None:
    """Everything, the sentence last."""
    console.print(money())
    console.print(events(tally))
    if breaches:
        console.print(broken(breaches))
    colour = "red" if breaches else "green"
    console.print(f"[{colour}]{sentence(breaches)}[/{colour}]")
