"""Guards of settling many paid orders in one transaction: together, and the shop's part of it."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

CONTAINED = "payments/contained.py"
TOGETHER, MANY, SLOTS = "payments/together.py", "bookings/many.py", "cart/slots.py"
T_TOGETHER, T_MANY = "tests/payments/test_together.py", "tests/bookings/test_many.py"
DEADLY = "tests/journeys/test_deadly_delivery.py"
NOT_PLAIN = f"{T_TOGETHER}::test_settle_together_leaves_to_single_settling_whatever_is_not_plain"
NO_WAIT = f"{T_TOGETHER}::test_settle_together_waits_for_nobody_and_leaves_what_others_hold"
AS_SINGLE = f"{T_TOGETHER}::test_settle_together_leaves_rows_and_trail_as_single_settling_does"

MUTANTS = (
    Mutant(
        "crashed-settled-with-others",
        "an order that ends its process takes no other with it time and again",
        TOGETHER,
        "is_paid and not order.crash_count",
        "is_paid",
        (DEADLY,),
    ),
    Mutant(
        "together-without-row-lock",
        "callers that settle one order at once come in line",
        TOGETHER,
        "ORDER BY o.id FOR NO KEY UPDATE OF o SKIP LOCKED\n",
        "ORDER BY o.id\n",
        (T_TOGETHER,),
    ),
    Mutant(
        "together-waits-for-rows",
        "settling together waits for nobody",
        TOGETHER,
        "FOR NO KEY UPDATE OF o SKIP LOCKED",
        "FOR NO KEY UPDATE OF o",
        (NO_WAIT,),
    ),
    Mutant(
        "together-passes-the-carts-line",
        "no second order is opened for a cart whose hold is being ended",
        TOGETHER,
        'THEN pg_try_advisory_xact_lock({holds.LOCK_KEY.format("o.cart_id")}) ELSE true END',
        "THEN true ELSE true END",
        (NO_WAIT,),
    ),
    Mutant(
        "together-takes-carts-with-two-orders",
        "an order whose cart has another is settled by itself",
        TOGETHER,
        "    AND NOT EXISTS (SELECT FROM payments_order other WHERE other.cart_id = o.cart_id AND other.id <> o.id)\n",
        "",
        (f"{T_TOGETHER}::test_settle_together_leaves_an_order_whose_cart_has_another",),
    ),
    Mutant(
        "together-believes-the-claim",
        "the locked row decides, not the one that was claimed",
        TOGETHER,
        " and verdict == Verdict((Status.SUCCESS,))",
        "",
        (NOT_PLAIN,),
    ),
    Mutant(
        "together-ignores-attention",
        "an order before a person's eyes is settled by itself",
        TOGETHER,
        "is_calm = is_newest and not order.attention",
        "is_calm = is_newest",
        (NOT_PLAIN,),
    ),
    Mutant(
        "together-takes-outdated-answers",
        "an answer asked for before the one known is settled by itself",
        TOGETHER,
        "is_calm = is_newest and not order.attention",
        "is_calm = not order.attention",
        (NOT_PLAIN,),
    ),
    Mutant(
        "together-records-no-answer",
        "what PhonePe said is in the trail, whatever is made of it",
        TOGETHER,
        "        events.append(_event(order, Kind.ANSWERED, source, detail=answer.evidence()))\n",
        "",
        (AS_SINGLE,),
    ),
    Mutant(
        "together-loses-what-the-shop-left-out",
        "what the shop leaves out is delivered by itself",
        TOGETHER,
        "            fulfilment.deliver(order, source=source, now=now)\n",
        "",
        (f"{T_TOGETHER}::test_settle_together_delivers_by_itself_what_the_shop_leaves_out",),
    ),
    Mutant(
        "together-locks-every-cart",
        "carts that nobody asked about are left alone",
        TOGETHER,
        "CASE WHEN o.id = ANY (%(ids)s) AND o.holding ",
        "CASE WHEN o.holding ",
        (f"{T_TOGETHER}::test_settle_together_locks_no_carts_but_those_it_asks_about",),
    ),
    Mutant(
        "writing-waits-for-ever",
        "an answer that PostgreSQL never takes does not keep the others",
        CONTAINED,
        "        if connection_is_gone():\n",
        "        if True:\n",
        (
            "tests/payments/test_writing.py::test_an_answer_that_postgresql_never_takes_does_not_keep_the_others",
        ),
    ),
    Mutant(
        "writing-throws-answers-away",
        "what PhonePe said is recorded before it is forgotten",
        CONTAINED,
        "            raise\n",
        "            pass\n",
        ("tests/payments/test_writing.py::test_answers_stay_while_the_connection_is_gone",),
    ),
    Mutant(
        "writer-forgets-the-next-batch",
        "what PhonePe said is recorded before the sweep ends",
        "payments/writing.py",
        "            self._write(self._batch)\n            self._write(self._next)\n",
        "            self._write(self._batch)\n",
        ("tests/payments/test_writing.py::test_what_is_left_at_the_end_is_written_down",),
    ),
    Mutant(
        "together-lets-the-shop-undo-the-money",
        "a shop that raises undoes its own writes, not the record of the money",
        TOGETHER,
        '        log.warning("paid orders are delivered one by one", orders=len(paid), exc_info=True)\n'
        "        return {}\n",
        "        raise\n",
        (f"{T_TOGETHER}::test_settle_together_when_the_shop_raises_keeps_the_money_and_delivers_one_by_one",),
    ),
    Mutant(
        "many-books-without-a-place",
        "who has no place kept is looked at by itself",
        MANY,
        " if order.reference in kept]",
        "]",
        (f"{T_MANY}::test_orders_without_a_place_kept_are_left_out",),
    ),
    Mutant(
        "many-keeps-the-other-place",
        "a cart that keeps two places is looked at by itself",
        SLOTS,
        "WHERE other.cart_id = h.cart_id AND other.id <> h.id AND other.state = 'HELD'\n",
        "WHERE false\n",
        (f"{T_MANY}::test_a_cart_that_keeps_two_places_is_left_out_so_that_the_other_is_let_go",),
    ),
    Mutant(
        "many-checks-the-customer-at-commit",
        "a customer who is gone is noticed before the money's commit depends on it",
        MANY,
        "    connection.check_constraints()\n",
        "",
        (f"{T_MANY}::test_orders_whose_customer_is_gone_are_refused_together_before_commit",),
    ),
    Mutant(
        "many-sends-no-mail",
        "there is a mail exactly if there is a booking",
        MANY,
        '    jobs.configure_task(CONFIRM).batch_defer(*({"booking_id": made.booking_id} for made in bookings))\n',
        "",
        (f"{T_MANY}::test_orders_booked_together_are_booked_as_one_by_one",),
    ),
)
