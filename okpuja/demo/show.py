"""Play the story, show it while it happens, and judge it."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time

import aiohttp
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.core.management import call_command
from rich.console import Console
from rich.live import Live

from okpuja.demo import board, customers
from okpuja.demo.customers import Customer, Visit
from okpuja.demo.processes import LOGS, Places
from payments.models import GatewayThrottle

console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)

STAFF = "demo-staff"
STORY_S = 75.0
REFRESH_S = 0.5


def prepare() -> None:
    """A migrated database with the sample catalogue."""
    console.print("PostgreSQL, migrations, catalogue ...")
    call_command("migrate", verbosity=0)
    call_command("seed_catalog", verbosity=0)
    GatewayThrottle.objects.all().delete()  # an earlier run may have left the breaker open for a dead emulator


def play(places: Places) -> int:
    """Let everybody appear and print the verdict; how many outcomes were not the expected ones."""
    console.print(f"The shop is at {places.site}, PhonePe's emulator at {places.sandbox}/sandbox/")
    rows, calls = asyncio.run(_play(places))
    if not console.is_terminal:
        console.print(board.table(rows))
    failed = 0
    for row in rows:
        wrong = row.wrong()
        failed += bool(wrong)
        mark = f"[red]FAILED[/red] {wrong}" if wrong else "[green]passed[/green]"
        console.print(f"{row.customer.name:7} {row.customer.does}: {mark}")
    console.print(board.lags(rows))
    completed = sum(1 for row in rows if row.bookings)
    asked = calls.get("pay", 0) + calls.get("status", 0)
    console.print(f"{cost(asked, completed)} Logs: {LOGS}/demo-*.log")
    console.print(f"{len(rows) - failed} passed, {failed} failed")
    return failed


def cost(calls: int, completed: int) -> str:
    """How many calls of PhonePe a completed payment cost, those for abandoned and failed ones included."""
    each = f", {calls / completed:.1f} each" if completed else ""
    return f"{calls} calls of PhonePe for {completed} completed payments{each}."


async def _play(places: Places) -> tuple[list[board.Row], dict[str, int]]:
    cast = customers.cast()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        visit = Visit(http, places)
        playing = asyncio.create_task(customers.play(visit, cast))
        rows = await _watch(visit, cast, playing)
        await playing
        return rows, await visit.gateway_calls()


async def _watch(visit: Visit, cast: list[Customer], playing: asyncio.Task[None]) -> list[board.Row]:
    """Show the table live until everybody is settled or the time is over; the last rows."""
    until = time.monotonic() + STORY_S
    with Live(console=console, refresh_per_second=4, transient=not console.is_terminal) as live:
        while True:
            rows = await _look(visit, cast)
            live.update(board.table(rows))
            settled = playing.done() and all(row.is_settled for row in rows)
            if settled or time.monotonic() > until:
                break
            await asyncio.sleep(REFRESH_S)
    return rows


async def _look(visit: Visit, cast: list[Customer]) -> list[board.Row]:
    books = {}
    for customer in cast:
        if customer.order_id:
            books[customer.order_id] = (await visit.gateway_order(customer.order_id)).get("paidAt")
    return await sync_to_async(board.read)(cast, books)


def where_to_look(places: Places) -> None:
    """The addresses, while everything keeps serving, and a way in for staff."""
    password = _let_staff_in()
    console.print(
        f"\nStill serving, until Ctrl-C:\n"
        f"  shop              {places.site}/\n"
        f"  staff             {places.site}/ops/ (sign in as {STAFF}, {password})\n"
        f"  API documentation {places.site}/api/docs\n"
        f"  metrics           {places.site}/metrics\n"
        f"  PhonePe emulator  {places.sandbox}/sandbox/\n"
        f"  mails             var/mail/"
    )


def _let_staff_in() -> str:
    """A new password for the demo's member of staff: whatever database this is, nobody else knows it."""
    staff, _ = get_user_model().objects.get_or_create(
        username=STAFF, defaults={"is_staff": True, "is_superuser": True}
    )
    password = secrets.token_urlsafe(9)
    staff.set_password(password)
    staff.save(update_fields=["password"])
    return password
