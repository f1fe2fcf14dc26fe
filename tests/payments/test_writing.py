"""What becomes of answers that wait to be written down, when one of them is odd or the database refuses."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from payments import claims, completion, together, transitions, wakeups
from payments.models import Checker, PaymentOrder
from payments.states import Source, Status
from payments.writing import Answered, Checked, Writer
from phonepe_pg import Unavailable
from tests import make
from tests.payments.settling import Kind, kinds, refusing
from tests.payments.shop import LOCKED

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def shop(plug):
    plug("delivers", FULFIL_MANY="delivers_many")


def claimed(*orders: PaymentOrder) -> list[PaymentOrder]:
    held = {order.pk: order for order in claims.claim_due(now=timezone.now(), limit=len(orders))}
    return [held[order.pk] for order in orders]


def write_down(*pairs) -> list[Checked]:
    told: list[Checked] = []
    answered = Answered(told.append)
    for order, answer in pairs:
        answered.add(order, answer)
    answered.write_down(now=timezone.now())
    assert len(answered) == 0
    return told


@pytest.mark.parametrize("state", ["COMPLETED", "PENDING"])
@pytest.mark.parametrize("errcode", ["54000", "57014"])  # a limit, a time-out of the statement
def test_an_answer_that_postgresql_never_takes_does_not_keep_the_others(state, errcode):
    bad, good = claimed(make.order(), make.order())

    with refusing(bad, errcode):
        told = write_down((bad, make.answer(state)), (good, make.answer(state)))

    assert [one.order.pk for one in told] == [good.pk]
    assert Kind.ANSWERED in kinds(good)
    assert PaymentOrder.objects.get(pk=bad.pk).leased_until == bad.leased_until


@pytest.mark.parametrize(("refused", "errcode", "left"), [("moved", "57014", 1), ("answered", "23514", 0)])
def test_settling_that_fails_while_its_process_lives_is_no_crash(refused, errcode, left):
    order = make.order(crash_count=1)
    for _ in range(5):
        PaymentOrder.objects.update(leased_until=None, next_check_at=timezone.now())
        with refusing(order, errcode, kind=refused):
            write_down((*claimed(order), make.answer("COMPLETED")))

    order.refresh_from_db()
    assert (order.crash_count, order.status) == (left, "INITIATED")


@pytest.mark.parametrize(
    ("refused", "errcode", "recorded"), [("moved", "23514", "COMPLETED"), ("answered", "54000", "")]
)
def test_an_answer_that_cannot_be_settled_is_kept_if_it_can_and_its_order_is_before_a_person(
    refused, errcode, recorded, logs
):
    bad, good = claimed(make.order(), make.order())

    with refusing(bad, errcode, kind=refused):
        told = write_down((bad, make.answer("COMPLETED")), (good, make.answer("COMPLETED")))

    bad.refresh_from_db()
    assert ([one.order.pk for one in told], logs.count("an order could not be settled")) == ([good.pk], 1)
    assert (bad.status, bad.gateway_state, bad.attention) == ("INITIATED", recorded, "unsettled")
    assert (bad.leased_until, bad.next_check_at > bad.attention_at) == (None, True)
    assert (Kind.ANSWERED in kinds(bad)) == bool(recorded)
    assert "the log says why" in bad.events.get(kind=Kind.ATTENTION).detail["reason"]


def test_an_answer_that_cannot_be_settled_calls_a_person_again_whoever_has_seen_to_the_last_one():
    (order,) = claimed(make.order(handled="unsettled"))

    with refusing(order, "23514", kind="moved"):
        write_down((order, make.answer("COMPLETED")))

    order.refresh_from_db()
    assert order.attention == "unsettled"


@pytest.mark.parametrize(
    ("answer", "attention"), [(make.trouble(Unavailable("down")), "unsettled"), (make.answer("PENDING"), "")]
)
def test_what_could_not_be_settled_needs_a_person_until_there_is_an_answer(answer, attention):
    (order,) = claimed(make.order(attention="unsettled"))

    write_down((order, answer))

    order.refresh_from_db()
    assert order.attention == attention


def test_a_doubt_that_a_person_has_settled_may_be_raised_again_once_phonepe_has_spoken():
    (order,) = claimed(make.order(Status.CANCELLED, handled="still_pending"))

    write_down((order, make.answer("PENDING")))

    order.refresh_from_db()
    assert order.handled == ""


def test_an_answer_that_cannot_be_judged_does_not_keep_the_others(monkeypatch, logs):
    odd, good = claimed(make.order(), make.order())
    judge = transitions.judge

    def stumble(order, answer, *, now):
        if order.pk == odd.pk:
            raise ValueError("nobody thought of this")
        return judge(order, answer, now=now)

    monkeypatch.setattr(transitions, "judge", stumble)

    told = write_down((odd, make.answer()), (good, make.answer()))

    assert [one.order.pk for one in told] == [good.pk]
    assert logs.count("an answer could not be judged") == 1
    assert PaymentOrder.objects.get(pk=odd.pk).attention == "unsettled"


def test_answers_stay_while_the_connection_is_gone():
    (order,) = claimed(make.order())
    told: list[Checked] = []
    answered = Answered(told.append)
    answered.add(order, make.answer("COMPLETED"))
    connection.ensure_connection()
    connection.connection.close()

    with pytest.raises(OperationalError):
        answered.write_down(now=timezone.now())
    connection.close()
    answered.write_down(now=timezone.now())

    assert (len(answered), [one.order.status for one in told]) == (0, ["SUCCESS"])


def test_two_answers_about_one_order_are_both_recorded_and_move_it_once():
    (order,) = claimed(make.order())

    told = write_down((order, make.answer("COMPLETED")), (order, make.answer("COMPLETED")))

    assert kinds(order).count(Kind.ANSWERED) == 2
    assert kinds(order).count(Kind.MOVED) == 1
    assert len(told) == 2


@pytest.mark.parametrize("together_", [True, False])
def test_who_noticed_is_who_had_hurried_it_before_it_was_asked_about(together_):
    (order,) = claimed(make.order())
    answer = make.answer("COMPLETED")
    claims.nudge(order.merchant_order_id, source=Source.WEBHOOK, now=timezone.now())

    if together_:
        together.settle([(order, answer)], now=timezone.now())
    else:
        completion.settle(order.pk, answer, source=Source.CHECKER, now=timezone.now())

    assert PaymentOrder.objects.get(pk=order.pk).completed_by == Source.CHECKER


@pytest.mark.parametrize(
    ("many", "attempts"),
    [("raises_for_many", 1), ("answers_too_much_for_many", 1), ("delivers_cheap_ones", 1)],
)
def test_what_is_not_delivered_together_is_delivered_singly_at_once(plug, logs, many, attempts):
    plug("raises", FULFIL_MANY=many)
    (order,) = claimed(make.order())

    told = write_down((order, make.answer("COMPLETED")))

    left = PaymentOrder.objects.get(pk=order.pk)
    assert (left.status, left.fulfilment, left.fulfil_attempts) == (Status.SUCCESS, "DUE", attempts)
    assert left.next_check_at is not None
    assert (len(told), kinds(order)[-1]) == (1, Kind.FULFILMENT_RAISED)
    assert logs.count("payment moved") == 1


class Watched:
    """A writer, what it has reported, and how many batches have ended."""

    def __init__(self) -> None:
        self.told: list[Checked] = []
        self.ended = threading.Semaphore(0)
        self.writer = Writer(self.told.append, self.ended.release)

    def write(self, *pairs) -> None:
        for order, answer in pairs:
            self.writer.add(order, answer)
        self.writer.go_on()


def test_a_shop_that_loses_the_connection_each_time_keeps_nothing_from_being_recorded(plug, logs):
    plug("loses_its_connection", FULFIL_MANY="loses_its_connection_for_many")
    orders = claimed(make.order(), make.order())

    told = write_down(*[(order, make.answer("COMPLETED")) for order in orders])
    tried = [completion.fulfil_again(orders[0].pk, now=timezone.now()) for _ in range(2)]

    assert [(one.order.status, one.order.fulfil_attempts) for one in told] == [("SUCCESS", 1)] * 2
    assert [(order.fulfil_attempts, order.attention) for order in tried] == [
        (2, ""),
        (3, "fulfilment_failed"),
    ]
    assert Checker.objects.count() == 0
    assert logs.count("fulfilment raised; it will be tried again") == 4


def test_a_shop_that_waits_for_a_lock_is_not_waited_for(plug, monkeypatch):
    plug("waits_for_a_lock", FULFIL_MANY="waits_for_a_lock_for_many")
    monkeypatch.setattr("payments.contained.LOCK_TIMEOUT", "100ms")
    now = timezone.now()
    Checker.objects.create(name=LOCKED, started_at=now, seen_at=now, interval_s=1)
    orders = claimed(make.order(), make.order())

    with psycopg.connect(**wakeups.connect_parameters()) as other:
        other.execute("SELECT FROM payments_checker WHERE name = %s FOR UPDATE", [LOCKED])
        told = write_down(*[(order, make.answer("COMPLETED")) for order in orders])

    assert [(one.order.status, one.order.fulfilment) for one in told] == [("SUCCESS", "DUE")] * 2
    assert completion.fulfil_again(orders[0].pk, now=now).fulfilment == "BOOKED"


@pytest.fixture
def watched() -> Iterator[Watched]:
    watched = Watched()
    yield watched
    watched.writer.close(within_s=10)


def test_while_a_batch_is_written_its_maker_goes_on_and_the_next_batch_waits(watched):
    slow, next_one = claimed(make.order(), make.order())
    with psycopg.connect(**wakeups.connect_parameters()) as holder:
        holder.execute("SELECT FROM payments_order WHERE id = %s FOR UPDATE", [slow.pk])
        watched.write((slow, make.answer("PENDING")))
        watched.write((next_one, make.answer("PENDING")))

        assert (watched.told, watched.writer.is_busy, len(watched.writer)) == ([], True, 2)
    assert watched.ended.acquire(timeout=10)
    watched.writer.go_on()
    assert watched.ended.acquire(timeout=10)

    assert [one.order.pk for one in watched.told] == [slow.pk, next_one.pk]
    assert not watched.writer.is_busy


def test_a_shop_that_exits_does_not_end_the_writers_thread(plug, watched):
    plug("exits", FULFIL_MANY="exits_for_many")
    first, second = claimed(make.order(), make.order())

    watched.write((first, make.answer("COMPLETED")))
    assert watched.ended.acquire(timeout=10)
    watched.write((second, make.answer("PENDING")))
    assert watched.ended.acquire(timeout=10)

    assert [one.order.pk for one in watched.told] == [first.pk, second.pk]
    assert PaymentOrder.objects.get(pk=first.pk).fulfilment == "DUE"


def test_a_batch_that_the_database_refused_is_told_to_who_goes_on_and_tried_again(watched, monkeypatch):
    (order,) = claimed(make.order())

    def lost(*_: object, **__: object) -> None:
        connection.close()
        raise OperationalError("the server closed the connection unexpectedly")

    with monkeypatch.context() as patched:
        patched.setattr(claims, "put_back", lost)
        watched.write((order, make.answer("PENDING")))
        assert watched.ended.acquire(timeout=10)
    with pytest.raises(OperationalError):
        watched.writer.go_on()
    watched.writer.go_on()
    assert watched.ended.acquire(timeout=10)

    assert [one.order.pk for one in watched.told] == [order.pk]
    assert kinds(order).count(Kind.ANSWERED) == 1


def test_a_batch_that_ends_its_thread_ends_who_goes_on(watched, monkeypatch):
    (order,) = claimed(make.order())

    def ends(*_: object, **__: object) -> None:
        raise SystemExit("a library's idea of an error")

    with monkeypatch.context() as patched:
        patched.setattr(claims, "put_back", ends)
        watched.write((order, make.answer("PENDING")))
        assert watched.ended.acquire(timeout=10)

    with pytest.raises(SystemExit):
        watched.writer.go_on()


def test_what_is_left_at_the_end_is_written_down(watched):
    (order,) = claimed(make.order())
    watched.writer.add(order, make.answer("COMPLETED"))

    watched.writer.close(within_s=10)

    assert [one.order.status for one in watched.told] == ["SUCCESS"]
    assert watched.writer.orders == []


def test_who_cannot_be_written_down_at_the_end_is_named_so_that_its_claim_is_given_up(watched, monkeypatch):
    (order,) = claimed(make.order())
    monkeypatch.setattr(Answered, "write_down", lambda *_, **__: 1 / 0)
    watched.writer.add(order, make.answer("COMPLETED"))

    watched.writer.close(within_s=10)

    assert watched.writer.orders == [order]
