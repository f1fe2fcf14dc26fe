"""The places of a time: kept while an order may be paid, taken by its booking, free again when nobody can pay.

`hold`, `take` and `release` are called by `payments` and by the fulfilment, in their transactions. Everybody
who changes a slot's count locks the slot's row before its holds. `take` first tries without that lock: it runs
under an order that may still need the engine's lock on the cart, which `hold` takes before the slot.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from cart.models import Cart, Slot, SlotHold
from catalog.models import Puja
from payments.errors import NotPayable, Refusal, Unfulfillable
from payments.shop import PaidOrder, Payable

TIMES = tuple(
    time(*moment) for moment in ((6, 0), (7, 30), (9, 0), (10, 30), (12, 0), (16, 0), (17, 30), (19, 0))
)
TAKEN_BY_OTHERS = "This time has just been taken by someone else. Please choose another time."
GONE = "The chosen time was taken meanwhile."
State = SlotHold.State

# Asked with every look at a payment's status: building this by the ORM costs more than all the rest of it.
IS_GONE = """
SELECT FROM cart_slot s
WHERE s.puja_id = %s AND s.date = %s AND s.time = %s AND s.taken >= s.capacity AND NOT EXISTS (
    SELECT FROM cart_slothold h
    WHERE h.slot_id = s.id AND h.cart_id = %s AND h.state IN ('HELD', 'TAKEN')
)
"""


# Only carts with this one place: what else is kept for a cart must be let go, which is `release`'s.
TAKE_MANY = """
UPDATE cart_slothold h SET state = 'TAKEN', changed_at = %s
FROM jsonb_to_recordset(%s::jsonb) AS p(cart_id text, puja_id bigint, date date, time time)
JOIN cart_slot s ON s.puja_id = p.puja_id AND s.date = p.date AND s.time = p.time
WHERE h.cart_id = p.cart_id AND h.slot_id = s.id AND h.state = 'HELD' AND NOT EXISTS (
    SELECT FROM cart_slothold other WHERE other.cart_id = h.cart_id AND other.id <> h.id AND other.state = 'HELD'
)
RETURNING h.cart_id
"""


class SlotFull(Refusal):
    """Nobody more can be served at this time; the message names free ones."""

    code = "slot_full"
    status = 409


@dataclass(frozen=True, slots=True)
class When:
    """One puja at one date and time, in Asia/Kolkata."""

    puja_id: int
    date: date
    time: time

    @classmethod
    def of(cls, snapshot: Mapping[str, Any]) -> When | None:
        """What an order is for; None for an order of before there were slots, which needs no place."""
        if "puja_id" not in snapshot:
            return None
        at = time.fromisoformat(snapshot["time"])
        return cls(snapshot["puja_id"], date.fromisoformat(snapshot["date"]), at)


def hold(payable: Payable) -> None:
    """Keep a place for a cart that is about to be paid. Safe to repeat: a cart's live hold is kept, not doubled.

    The caller holds the transaction that opens the order. Raises NotPayable when the time is full.
    """
    when = When.of(payable.snapshot)
    if when is None:
        return
    slot = _locked(when)
    if slot is None or not (_live(payable.reference, slot).exists() or _occupy(slot, payable.reference)):
        raise NotPayable(TAKEN_BY_OTHERS)


def take(paid: PaidOrder) -> None:
    """Give the cart's place to its booking, or a free one when the place was given up meanwhile.

    The caller holds the transaction, and has made sure that the cart is booked once. Raises Unfulfillable
    when the money came too late and nothing is free.
    """
    when = When.of(paid.snapshot)
    if when is None or _take_held(paid.reference, _slots(when).first()):
        return
    slot = _locked(when)
    if slot is None or not (_take_held(paid.reference, slot) or _occupy(slot, paid.reference, State.TAKEN)):
        raise Unfulfillable(GONE)


def take_many(paid: Sequence[PaidOrder]) -> frozenset[str]:
    """Give the kept places of many carts to their bookings; the carts that had one kept, and no other.

    The caller holds the transaction. Others are left to `take`.
    """
    wanted = [(order.reference, When.of(order.snapshot)) for order in paid]
    places = [
        {"cart_id": reference, "puja_id": when.puja_id, "date": str(when.date), "time": str(when.time)}
        for reference, when in wanted
        if when is not None
    ]
    with connection.cursor() as cursor:
        cursor.execute(TAKE_MANY, [timezone.now(), json.dumps(places)])
        return frozenset(cart_id for (cart_id,) in cursor.fetchall())


def release(reference: str) -> None:
    """Make free what is kept for this cart and was not booked. Safe to repeat; the caller holds the transaction."""
    held = SlotHold.objects.filter(cart_id=reference, state=State.HELD)
    if _is_booked(reference) and not SlotHold.objects.filter(cart_id=reference, state=State.TAKEN).exists():
        # Booked by a version that knew nothing of places, in the middle of an upgrade.
        booked = held.order_by("pk").values("pk")[:1]
        SlotHold.objects.filter(pk__in=booked).update(state=State.TAKEN, changed_at=timezone.now())
    kept_in = Slot.objects.filter(pk__in=held.values("slot")).order_by("pk")
    for slot in kept_in.select_for_update(no_key=True):
        ended = held.filter(slot=slot).update(state=State.RELEASED, changed_at=timezone.now())
        Slot.objects.filter(pk=slot.pk).update(taken=F("taken") - ended)


def booked_at(reference: str) -> Slot | None:
    """The slot whose place this cart's booking has taken; None for one of before there were slots."""
    return Slot.objects.filter(holds__cart_id=reference, holds__state=State.TAKEN).order_by("pk").first()


def lock_both(was: Slot, to: When) -> None:
    """Let nobody else take a place of this time, or of the slot that it is moved from, until the transaction ends."""
    _make_if_missing(to)
    either = Slot.objects.filter(Q(pk=was.pk) | Q(**_at(to))).order_by("pk")
    list(either.select_for_update(no_key=True))


def move(reference: str, to: When) -> None:
    """Give a booked cart a place at another time for the one that it has taken.

    The caller holds the transaction and `lock_both`. Raises SlotFull when nobody more can be served then.
    """
    was, new = booked_at(reference), _slots(to).first()
    if was is None or new is None or was == new:
        return
    if not (_take_held(reference, new) or _occupy(new, reference, State.TAKEN)):
        raise SlotFull(f"{spoken(to.time)} is fully booked.")
    taken = SlotHold.objects.filter(cart_id=reference, slot=was, state=State.TAKEN)
    ended = taken.update(state=State.RELEASED, changed_at=timezone.now())
    Slot.objects.filter(pk=was.pk).update(taken=F("taken") - ended)


def is_gone(reference: str, when: When) -> bool:
    """Whether the time is full and no place of it is kept for this cart."""
    with connection.cursor() as cursor:
        cursor.execute(IS_GONE, [when.puja_id, when.date, when.time, reference])
        return cursor.fetchone() is not None


def refuse_full(when: When, *, now: datetime) -> None:
    """Raise SlotFull, with the free times of that day, when nobody more can be served. `now` is Asia/Kolkata."""
    if not _full().filter(**_at(when)).exists():
        return
    others = free_times(when.puja_id, when.date, now=now)
    day = f"{when.date:%a}, {when.date.day} {when.date:%b}"
    advice = (
        f"Available on {day}: {', '.join(map(spoken, others))}."
        if others
        else f"{day} is full: choose another day."
    )
    raise SlotFull(f"{spoken(when.time)} is fully booked. {advice}")


def full_times(puja_id: int, day: date) -> frozenset[time]:
    """The times of that day at which nobody more can be served."""
    return frozenset(_full().filter(puja_id=puja_id, date=day).values_list("time", flat=True))


def free_times(puja_id: int, day: date, *, now: datetime) -> list[time]:
    """Which of the usual times of that day are still to come and not full. `now` is Asia/Kolkata."""
    full, naive = full_times(puja_id, day), now.replace(tzinfo=None)
    return [at for at in TIMES if at not in full and datetime.combine(day, at) > naive]


def spoken(at: time) -> str:
    """A time as people say it: "9:00 AM"."""
    return at.strftime("%I:%M %p").lstrip("0")


def _take_held(reference: str, slot: Slot | None) -> bool:
    # A plain UPDATE of the one row: a release that is under way is waited for, and its outcome seen.
    held = SlotHold.objects.filter(cart_id=reference, slot=slot, state=State.HELD)
    return bool(slot and held.update(state=State.TAKEN, changed_at=timezone.now()))


def _occupy(slot: Slot, reference: str, state: State = State.HELD) -> bool:
    """Count one place more, if there is one, and note for whom."""
    if not Slot.objects.filter(pk=slot.pk, taken__lt=F("capacity")).update(taken=F("taken") + 1):
        return False
    SlotHold.objects.create(cart_id=reference, slot=slot, state=state)
    return True


def _locked(when: When) -> Slot | None:
    """The slot with its row locked, made on first need; None when the puja is gone."""
    rows = _slots(when).select_for_update(no_key=True)
    slot = rows.first()
    if slot is None and _make_if_missing(when):
        slot = rows.get()
    return slot


def _make_if_missing(when: When) -> bool:
    """Make the slot unless it is there; False when the puja is gone."""
    capacity = Puja.objects.filter(pk=when.puja_id).values_list("capacity", flat=True).first()
    if capacity is None:
        return False
    # Who comes second waits here until the first one's row is there, or undone.
    Slot.objects.bulk_create([Slot(capacity=capacity, **_at(when))], ignore_conflicts=True)
    return True


def _slots(when: When) -> QuerySet[Slot]:
    return Slot.objects.filter(**_at(when)).order_by()


def _full() -> QuerySet[Slot]:
    return Slot.objects.filter(taken__gte=F("capacity")).order_by()


def _live(reference: str, slot: Slot) -> QuerySet[SlotHold]:
    return SlotHold.objects.filter(cart_id=reference, slot=slot, state__in=SlotHold.LIVE)


def _at(when: When) -> dict[str, Any]:
    return {"puja_id": when.puja_id, "date": when.date, "time": when.time}


def _is_booked(reference: str) -> bool:
    try:
        return Cart.objects.filter(cart_id=UUID(reference), status=Cart.Status.BOOKED).exists()
    except ValueError:
        return False
