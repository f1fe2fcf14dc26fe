"""What must hold after every step, whatever crashed in between. `docs/guarantees.md` lists them by number."""

from __future__ import annotations

from itertools import pairwise

from bookings.models import Booking
from payments import audit
from payments.models import PaymentEvent, PaymentOrder, Refund
from payments.states import CLOSED_UNPAID, MOVES, OPEN, RefundState, Status
from tests.model import shop
from tests.model.world import World

BY_A_PERSON = ("amount_mismatch", "order_id_mismatch")


def always(world: World) -> None:
    """The invariants of every moment."""
    orders = {order.merchant_order_id: order for order in PaymentOrder.objects.all()}
    for name, order in orders.items():
        _paid_only_by_the_gateways_word(world, order)
        _trail_tells_the_moves(order)
        _nobody_is_forgotten(order)
        assert world.phonepe.given_back(name) <= order.amount, f"G5 {name} gave back too much"
    for booking in Booking.objects.all():
        paid = orders[booking.merchant_order_id]
        assert (paid.status, paid.fulfilment, paid.amount) == ("SUCCESS", "BOOKED", booking.amount), "G2"
        assert paid.cart_id == booking.cart_id, "G2"
    assert _booked_carts() == len(
        {order.cart_id for order in orders.values() if order.fulfilment == "BOOKED"}
    )
    assert set(world.phonepe.refunds) <= set(Refund.objects.values_list("merchant_refund_id", flat=True)), (
        "G6"
    )
    assert set(world.phonepe.orders) - world.elsewhere <= set(orders), (
        "G7 PhonePe knows an order that we do not"
    )
    _places_are_kept_for_who_may_pay(orders)


def in_the_end(world: World) -> None:
    """What holds once PhonePe is quiet and a checker has run: every rupee is booked or given back."""
    always(world)
    for name, known in world.phonepe.orders.items():
        order = PaymentOrder.objects.get(merchant_order_id=name)
        if known.state != "COMPLETED":
            assert order.status in CLOSED_UNPAID, f"G1 {name} was never paid and is {order.status}"
        elif known.taken != order.amount:
            assert {order.attention, order.handled} & set(BY_A_PERSON), (
                f"G4 {name} took another sum in silence"
            )
        else:
            assert order.status == Status.SUCCESS, f"G1 {name} was paid and is {order.status}"
            is_booked = Booking.objects.filter(merchant_order_id=name).exists()
            went_back = world.phonepe.given_back(name)
            assert is_booked or went_back == order.amount, f"G1 {name}: neither booked nor refunded"
    _refunds_are_told_truly(world)
    assert shop.kept() == set(PaymentOrder.objects.filter(holding=True).values_list("cart_id", flat=True)), (
        "G8"
    )
    assert audit.audit(repair=False, now=world.clock.now()) == []


def _paid_only_by_the_gateways_word(world: World, order: PaymentOrder) -> None:
    if order.status != Status.SUCCESS:
        assert not order.fulfilment, "G2"
        return
    known = world.phonepe.orders[order.merchant_order_id]
    assert (known.state, known.taken, known.order_id) == (
        "COMPLETED",
        order.amount,
        order.gateway_order_id,
    ), "G3"
    said = PaymentEvent.objects.filter(order=order, kind="answered", detail__state="COMPLETED")
    assert said.exists(), "G3 no answer of the gateway stands in the trail"


def _trail_tells_the_moves(order: PaymentOrder) -> None:
    moves = list(order.events.filter(kind="moved").order_by("pk").values_list("from_status", "to_status"))
    assert all(to in MOVES[Status(came)] for came, to in moves), "G9"
    assert all(one[1] == two[0] for one, two in pairwise(moves)), "G9"
    assert order.status == (moves[-1][1] if moves else Status.PENDING), "G9"


def _nobody_is_forgotten(order: PaymentOrder) -> None:
    if order.status in OPEN or order.fulfilment == "DUE":
        assert order.next_check_at is not None, f"G7 {order} is {order.status} and nobody will ask"


def _places_are_kept_for_who_may_pay(orders: dict[str, PaymentOrder]) -> None:
    held = {order.cart_id for order in orders.values() if order.holding}
    assert held - shop.taken() == shop.kept(), "G8"
    assert len(shop.kept() | shop.taken()) <= shop.PLACES, "G8 more places than there are"
    for order in orders.values():
        may_be_paid = order.status in OPEN
        assert order.holding or not may_be_paid, f"G8 {order} may be paid and its place is gone"


def _booked_carts() -> int:
    return Booking.objects.values("cart_id").distinct().count()


def _refunds_are_told_truly(world: World) -> None:
    for refund in Refund.objects.all():
        known = world.phonepe.refunds.get(refund.merchant_refund_id)
        told = known.state if known else RefundState.FAILED
        assert refund.state == told, f"G6 {refund} is {refund.state}, PhonePe says {told}"
