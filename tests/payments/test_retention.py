"""Old trails and webhooks go, whole and in batches; what may still matter stays."""

from __future__ import annotations

import gzip
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from payments import audit, retention
from payments.models import PaymentEvent, PaymentOrder, WebhookDelivery
from tests import make

pytestmark = pytest.mark.django_db

DAYS = 400
DAY_S = 86_400


def old_order(status: str = "EXPIRED", *, age_days: float = DAYS, events: int = 3, **fields) -> PaymentOrder:
    """An order with that many events, all as old as itself."""
    values = {"next_check_at": None, "fulfilment": ""} | fields
    if status == "SUCCESS":
        values |= {"completed_at": timezone.now(), "fulfilment": fields.get("fulfilment", "BOOKED")}
    order = make.order(status, age_s=age_days * DAY_S, **values)
    PaymentEvent.objects.bulk_create(
        PaymentEvent(order=order, at=order.created_at, kind="answered", detail={"n": n, "ओं": "₹"})
        for n in range(events - 1)
    )
    return order


def trail(order: PaymentOrder) -> int:
    return PaymentEvent.objects.filter(order=order).count()


def prune(*arguments: str, older_than: int = 365) -> str:
    out = StringIO()
    call_command("prune_records", "--older-than", str(older_than), *arguments, stdout=out)
    return out.getvalue().strip()


def webhook(age_days: float, state: str = "nudged") -> WebhookDelivery:
    at = timezone.now() - timedelta(days=age_days)
    return WebhookDelivery.objects.create(
        body_sha256=f"{age_days}-{state}", received_at=at, state=state, body={"a": 1}
    )


@pytest.mark.parametrize("status", ["SUCCESS", "FAILED", "CANCELLED", "EXPIRED"])
def test_prune_lets_the_whole_trail_of_an_old_order_go_and_keeps_the_order(status):
    order = old_order(status)

    said = prune()

    assert said == "3 events and 0 webhooks deleted."
    assert (trail(order), PaymentOrder.objects.filter(pk=order.pk).exists()) == (0, True)


@pytest.mark.parametrize(
    "kept",
    [
        {"age_days": 300},
        {"status": "INITIATED"},
        {"status": "PENDING"},
        {"attention": "amount_mismatch", "attention_at": timezone.now()},
        {"next_check_at": timezone.now() + timedelta(days=1)},
        {"status": "SUCCESS", "fulfilment": "DUE"},
        {"holding": True},
    ],
)
def test_prune_keeps_the_trail_of_an_order_that_is_young_or_not_over(kept):
    order = old_order(**kept)

    prune()

    assert trail(order) == 3


def test_prune_keeps_the_whole_trail_of_an_old_order_that_was_touched_since():
    order = old_order()
    PaymentEvent.objects.create(order=order, kind="nudged")

    prune()

    assert trail(order) == 4


def test_prune_keeps_the_trail_of_an_order_with_money_on_its_way_back():
    order = old_order("SUCCESS")
    order.refunds.create(amount=100, reason="r", requested_by="t", state="PENDING")

    prune()

    assert trail(order) == 3


def test_prune_goes_window_by_window_says_how_far_it_is_and_may_be_broken_off(monkeypatch):
    monkeypatch.setattr(retention, "WINDOW", 2)
    orders = [old_order() for _ in range(7)]
    before = timezone.now() - timedelta(days=365)

    batches = retention.prune_events(before=before)
    first, second = next(batches), next(batches)
    batches.close()
    left = [trail(order) for order in orders]
    rest = list(retention.prune_events(before=before))

    assert (first[0], second[0]) == (6, 6)
    assert 0 < first[1] < second[1] < 1
    assert left == [0, 0, 0, 0, 3, 3, 3]
    assert [count for count, _ in rest] == [6, 3]
    assert rest[-1][1] == 1


def test_prune_with_an_archive_writes_every_record_there_first(tmp_path: Path):
    order, hook = old_order(), webhook(DAYS)
    events = list(PaymentEvent.objects.filter(order=order).values_list("id", flat=True))
    file = tmp_path / "old.jsonl.gz"

    said = prune("--archive", str(file))

    lines = [json.loads(line) for line in gzip.decompress(file.read_bytes()).decode().splitlines()]
    assert said == f"3 events and 1 webhooks deleted, archived in {file}."
    assert sorted(line["id"] for line in lines if line["table"] == "payments_event") == events
    assert {"n": 0, "ओं": "₹"} in [line["detail"] for line in lines if line["table"] == "payments_event"]
    assert [line["id"] for line in lines if line["table"] == "payments_webhook"] == [hook.pk]


def test_prune_whose_archive_cannot_be_written_deletes_nothing(tmp_path: Path):
    order = old_order()
    (tmp_path / "folder").mkdir()

    with pytest.raises(OSError, match="folder"):
        prune("--archive", str(tmp_path / "folder"))

    assert trail(order) == 3


def archived(file: Path) -> list[int]:
    """The ids of the events that a reader of the whole archive sees."""
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    return [line["id"] for line in map(json.loads, lines) if line["table"] == "payments_event"]


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file grows beyond `size` bytes; what does not fit is cut off, as by a full disk."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


def test_prune_onto_a_full_disk_deletes_nothing_and_leaves_the_archive_as_it_was(tmp_path: Path):
    file = tmp_path / "old.jsonl.gz"
    old_order()
    prune("--archive", str(file))
    before, order = file.read_bytes(), old_order()

    with room_for(len(before) + 20), pytest.raises(OSError, match="too large"):
        prune("--archive", str(file))

    assert (trail(order), file.read_bytes()) == (3, before)


@pytest.mark.parametrize("left", [1, 60, -1])
def test_prune_after_a_crash_cuts_the_member_that_it_broke_off_and_every_record_can_be_read(
    tmp_path: Path, left: int
):
    file = tmp_path / "old.jsonl.gz"
    old_order()
    prune("--archive", str(file))
    kept, whole = archived(file), file.read_bytes()
    file.write_bytes(whole + whole[:left])
    events = list(PaymentEvent.objects.filter(order=old_order()).order_by("id").values_list("id", flat=True))

    prune("--archive", str(file))

    assert sorted(archived(file)) == kept + events


def test_prune_into_what_is_no_archive_or_a_damaged_one_is_refused_and_changes_nothing(tmp_path: Path):
    file, order = tmp_path / "old.jsonl.gz", old_order()
    file.write_bytes(gzip.compress(b"{}") + b"notes of somebody")
    before = file.read_bytes()

    with pytest.raises(CommandError, match=r"no gzip file behind byte \d+.*Move it away"):
        prune("--archive", str(file))

    assert (trail(order), file.read_bytes()) == (3, before)


def test_prune_on_trial_counts_and_deletes_nothing():
    order, young = old_order(), old_order(age_days=10)
    webhook(DAYS), webhook(DAYS, "received"), webhook(3)

    said = prune("--dry-run")

    assert said == "3 events and 1 webhooks would be deleted."
    assert (trail(order), trail(young), WebhookDelivery.objects.count()) == (3, 3, 3)


def test_prune_within_the_late_watch_or_into_nowhere_is_refused(tmp_path: Path):
    with pytest.raises(CommandError, match="late watch"):
        prune(older_than=3)
    with pytest.raises(CommandError, match="no folder"):
        prune("--archive", str(tmp_path / "nowhere" / "a.gz"))


def test_the_audit_finds_nothing_wrong_with_an_order_whose_trail_is_gone():
    old_order("EXPIRED"), old_order("FAILED")
    before = audit.run(now=timezone.now()).findings
    prune()

    after = audit.run(now=timezone.now()).findings

    assert after == before


@pytest.mark.parametrize("fields", [{"status": "INITIATED"}, {"attention": "audit"}])
def test_the_database_refuses_to_delete_from_a_trail_that_is_needed_whatever_is_said(fields):
    order = old_order(**fields)

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL payments.may_prune = 'on'")
    with pytest.raises(IntegrityError, match="only appended to"), transaction.atomic():
        PaymentEvent.objects.filter(order=order).delete()


def test_the_word_that_lets_a_trail_go_ends_with_its_batch():
    old_order()
    prune()
    other = old_order()

    with pytest.raises(IntegrityError, match="only appended to"), transaction.atomic():
        PaymentEvent.objects.filter(order=other).delete()
