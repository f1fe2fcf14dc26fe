"""Guards of the doors: checkout, holds and places, webhooks, refunds, bookings."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

CHECKOUT, HOLDS, INBOX, REFUNDS = (
    f"payments/{name}.py" for name in ("checkout", "holds", "inbox", "refunds")
)
SLOTS, BOOKING = "cart/slots.py", "bookings/fulfilment.py"
T_CHECKOUT, T_HOLDS, T_INBOX, T_REFUNDS, T_WEBHOOKS = (
    f"tests/payments/test_{name}.py" for name in ("checkout", "holds", "inbox", "refunds", "webhooks")
)
T_SLOTS, T_BOOKING = "tests/cart/test_slots.py", "tests/bookings/test_fulfilment.py"
T_REQUESTS = "tests/payments/test_refund_requests.py"
T_REFUSALS = "tests/payments/test_refund_refusals.py"

MUTANTS = (
    Mutant(
        "start-for-paid-cart",
        "what is paid is not paid again",
        CHECKOUT,
        "    if PaymentOrder.objects.paid().filter(cart_id=reference).exists():\n"
        "        raise AlreadyPaid(ALREADY_PAID)\n",
        "",
        (f"{T_CHECKOUT}::test_start_for_a_paid_cart_is_refused_and_calls_nobody",),
    ),
    Mutant(
        "start-in-doubt",
        "nobody pays again while PhonePe may still complete an order that is not watched any more",
        CHECKOUT,
        "    if PaymentOrder.objects.in_doubt().filter(cart_id=reference).exists():\n"
        "        raise NotPayable(IN_DOUBT)\n",
        "",
        (f"{T_CHECKOUT}::test_start_while_an_earlier_order_may_still_be_paid_is_refused_and_calls_nobody",),
    ),
    Mutant(
        "supersede-without-asking",
        "nobody pays twice while the first attempt may have been paid",
        CHECKOUT,
        "asked = completion.verify(order, source=Source.CHECKOUT, within_s=SETTLE_S)",
        "return _supersede(order.pk, now=timezone.now())",
        (f"{T_CHECKOUT}::test_start_when_the_open_order_was_paid_unnoticed_finds_out_and_refuses",),
    ),
    Mutant(
        "supersede-without-answer",
        "without an answer about the first attempt there is no second",
        CHECKOUT,
        "if asked.answered_at is None or (order.answered_at and asked.answered_at <= order.answered_at):",
        "if False:",
        (f"{T_CHECKOUT}::test_start_when_an_old_order_cannot_be_asked_about_does_not_open_a_second",),
    ),
    Mutant(
        "supersede-of-mismatch",
        "who has paid another sum is not asked to pay again",
        CHECKOUT,
        "if asked.status == Status.SUCCESS or asked.gateway_state == COMPLETED:",
        "if asked.status == Status.SUCCESS:",
        (f"{T_CHECKOUT}::test_start_after_phonepe_took_another_sum_does_not_ask_to_pay_again",),
    ),
    Mutant(
        "supersede-of-paid",
        "an order that was paid in that moment is not cancelled",
        CHECKOUT,
        "    order = transitions.lock(order_id)\n"
        "    if order.status == Status.SUCCESS:\n"
        "        raise AlreadyPaid(ALREADY_PAID)\n",
        "    order = transitions.lock(order_id)\n",
        (f"{T_CHECKOUT}::test_supersede_when_the_order_was_paid_in_that_moment_refuses",),
    ),
    Mutant(
        "open-without-claim",
        "the checker leaves an order alone while it is being created",
        CHECKOUT,
        "                leased_until=now + claims.LEASE,\n",
        "",
        (f"{T_CHECKOUT}::test_open_keeps_the_order_watched_and_from_the_checkers_until_it_is_created",),
    ),
    Mutant(
        "open-without-watch",
        "an order whose creator dies is asked about",
        CHECKOUT,
        "                next_check_at=now + claims.LEASE,\n",
        "",
        (f"{T_CHECKOUT}::test_open_keeps_the_order_watched_and_from_the_checkers_until_it_is_created",),
    ),
    Mutant(
        "open-without-hold",
        "what is ordered is kept for the customer before they pay",
        CHECKOUT,
        "holding = holds.begin(payable)",
        "holding = True",
        (f"{T_HOLDS}::test_start_keeps_what_is_ordered_before_phonepe_is_called",),
    ),
    Mutant(
        "page-of-closed-order",
        "nobody is sent to the page of an order that was closed meanwhile",
        CHECKOUT,
        "    if order.status != Status.INITIATED:\n        return None\n",
        "",
        (f"{T_CHECKOUT}::test_initiate_when_the_order_was_closed_meanwhile_sends_nobody_to_its_page",),
    ),
    Mutant(
        "early-webhook-forgotten",
        "a webhook that overtakes the pay call's answer makes the order due",
        CHECKOUT,
        "    if _was_hurried(order):",
        "    if False:",
        (f"{T_CHECKOUT}::test_initiate_with_a_parked_webhook_makes_the_order_due_at_once",),
    ),
    Mutant(
        "holds-not-in-line",
        "a new order's hold is not let go by the old one's end",
        HOLDS,
        "        cursor.execute(\n"
        "            f\"SELECT pg_advisory_xact_lock({LOCK_KEY.format('%s')})\",\n            [reference],\n"
        "        )\n",
        '        cursor.execute("SELECT %s", [reference])\n',
        (
            f"{T_HOLDS}::test_hold_when_a_new_order_opens_as_the_old_one_ends_is_not_lost",
            f"{T_HOLDS}::test_hold_when_both_orders_of_a_cart_end_at_once_ends",
        ),
    ),
    Mutant(
        "hold-ends-by-clock",
        "a hold ends when PhonePe has spoken",
        HOLDS,
        "answer.is_dead and order.holding and",
        "order.holding and",
        (f"{T_HOLDS}::test_hold_when_only_the_clock_has_run_out_goes_on",),
    ),
    Mutant(
        "hold-of-disputed-ends",
        "what was paid with another sum is for a person to end",
        HOLDS,
        "order.status in CLOSED_UNPAID and order.next_check_at is None and order.attention not in MISMATCHES",
        "order.status in CLOSED_UNPAID and order.next_check_at is None",
        (T_HOLDS,),
    ),
    Mutant(
        "hold-ends-with-first-order",
        "the last order of a reference lets its hold go",
        HOLDS,
        "if not PaymentOrder.objects.filter(cart_id=order.cart_id, holding=True).exists():",
        "if True:",
        (f"{T_HOLDS}::test_hold_of_two_orders_of_one_cart_ends_with_the_last",),
    ),
    Mutant(
        "hold-ends-without-savepoint",
        "a shop that cannot let go does not undo what PhonePe said",
        HOLDS,
        "        with transaction.atomic():\n            PaymentOrder",
        "        if True:\n            PaymentOrder",
        (f"{T_HOLDS}::test_release_that_raises_keeps_the_hold_and_what_phonepe_said",),
    ),
    Mutant(
        "slot-over-capacity",
        "no more places are given than there are",
        SLOTS,
        'Slot.objects.filter(pk=slot.pk, taken__lt=F("capacity")).update',
        "Slot.objects.filter(pk=slot.pk).update",
        (T_SLOTS,),
    ),
    Mutant(
        "take-without-free-place",
        "late money takes no place that is another's",
        SLOTS,
        "if slot is None or not (_take_held(paid.reference, slot) or _occupy(slot, paid.reference, State.TAKEN)):",
        "if slot is None:",
        (
            f"{T_SLOTS}::test_late_money_takes_a_free_place",
            f"{T_SLOTS}::test_late_money_for_a_time_that_is_gone_is_refunded",
        ),
    ),
    Mutant(
        "hold-doubles-the-place",
        "a cart has one place however often it is asked for",
        SLOTS,
        "if slot is None or not (_live(payable.reference, slot).exists() or _occupy(slot, payable.reference)):",
        "if slot is None or not _occupy(slot, payable.reference):",
        (f"{T_SLOTS}::test_hold_keeps_one_place_however_often_it_is_asked",),
    ),
    Mutant(
        "booked-without-place",
        "a booking takes its place",
        BOOKING,
        "        slots.take(paid)\n",
        "",
        (f"{T_SLOTS}::test_late_money_for_a_time_that_is_gone_is_refunded",),
    ),
    Mutant(
        "second-order-of-cart-books",
        "a second paid order of a cart is for the refund",
        BOOKING,
        "    if bookings:\n        raise Unfulfillable(BOOKED_BY_ANOTHER)\n",
        "    if bookings:\n        return bookings[0]\n",
        (f"{T_BOOKING}::test_a_second_order_of_a_booked_cart_is_unfulfillable_and_changes_nothing",),
    ),
    Mutant(
        "booking-without-savepoint",
        "who loses a race for the booking sees the winner's",
        BOOKING,
        "            with transaction.atomic():\n                booking",
        "            if True:\n                booking",
        (f"{T_BOOKING}::test_a_taken_booking_number_is_drawn_again",),
    ),
    Mutant(
        "duplicate-webhook-acts",
        "the same webhook again is only counted",
        INBOX,
        "    if is_new:\n        delivery = _act_soon",
        "    if True:\n        delivery = _act_soon",
        (f"{T_WEBHOOKS}::test_five_equal_webhooks_are_one_row_counted_five_times_and_one_nudge",),
    ),
    Mutant(
        "webhook-acts-while-storing",
        "a webhook is committed before anything is made of it",
        INBOX,
        "    delivery, is_new = _store(body, now=now)\n"
        "    if is_new:\n"
        "        delivery = _act_soon(delivery, now=now)\n",
        "    with transaction.atomic():\n"
        "        delivery, is_new = _store.__wrapped__(body, now=now)\n"
        "        if is_new:\n"
        "            delivery = act.__wrapped__(delivery.pk, now=now)\n"
        "    if is_new:\n",
        (f"{T_INBOX}::test_webhook_whose_order_cannot_be_hurried_is_stored_all_the_same",),
    ),
    Mutant(
        "webhook-waits-for-lock",
        "PhonePe is answered within a second, whoever holds the row",
        INBOX,
        "return act(delivery.pk, now=now, lock_wait_ms=LOCK_WAIT_MS)",
        "return act(delivery.pk, now=now)",
        (f"{T_INBOX}::test_webhook_while_its_orders_row_is_held_is_stored_at_once_and_caught_up_with_later",),
    ),
    Mutant(
        "parked-webhook-forgotten",
        "a webhook that came before its order is acted on when that is here",
        INBOX,
        "        | Q(Q(state=State.PARKED, received_at__gt=recent), here)\n",
        "",
        (f"{T_INBOX}::test_catch_up_hurries_a_parked_webhooks_order_once_it_is_here",),
    ),
    Mutant(
        "prune-deletes-undone",
        "a webhook that nothing came of is not done with",
        INBOX,
        ".exclude(state=State.RECEIVED)",
        "",
        (f"{T_INBOX}::test_prune_deletes_the_old_in_batches_and_keeps_what_was_never_acted_on",),
    ),
    Mutant(
        "refund-of-another-sum-taken-over",
        "PhonePe's word for another sum or order is not taken for ours",
        REFUNDS,
        "    return sum_differs or order_differs\n",
        "    return False\n",
        (T_REFUNDS,),
    ),
    Mutant(
        "refund-sent-before-mark",
        "who comes after a crash asks before sending again",
        REFUNDS,
        "    if unsent.update(sent_at=timezone.now()):",
        "    if unsent.exists():",
        (
            f"{T_REFUNDS}::test_pursue_after_a_lost_answer_asks_and_does_not_repeat",
            f"{T_REFUNDS}::test_refund_read_before_another_sent_it_is_asked_about_and_not_sent_again",
        ),
    ),
    Mutant(
        "refund-repeats-unasked",
        "a refund whose outcome is unknown is asked about, not repeated",
        REFUNDS,
        "        return gateway.refund_status(refund.merchant_refund_id)\n"
        "    except UnknownRefund:\n        if refund.state",
        "        raise UnknownRefund\n    except UnknownRefund:\n        if refund.state",
        (
            f"{T_REFUNDS}::test_pursue_after_a_lost_answer_asks_and_does_not_repeat",
            f"{T_REFUNDS}::test_pursue_after_a_crash_between_mark_and_call_asks_first",
        ),
    ),
    Mutant(
        "refund-resent-when-taken-in",
        "a refund that PhonePe had taken in is never sent again",
        REFUNDS,
        "        if refund.state != RefundState.DUE or not _has_turn():\n            raise\n",
        "        pass\n",
        (f"{T_REFUNDS}::test_pursue_when_phonepe_does_not_know_a_refund_it_had_taken_in_keeps_asking",),
    ),
    Mutant(
        "refund-refused-too-early",
        "a refusal stands when no earlier call can still arrive",
        REFUNDS,
        "if not (is_clear or is_old):",
        "if False:",
        (
            f"{T_REFUSALS}::test_pursue_when_a_repeat_is_refused_and_nothing_is_known_yet_waits_before_it_gives_up",
        ),
    ),
    Mutant(
        "refund-forbidden-sent-again",
        "a refund that PhonePe forbids is not sent again and again",
        REFUNDS,
        " or error.http_status == 403",
        "",
        (f"{T_REFUSALS}::test_pursue_a_refund_that_is_forbidden_fails_at_once_and_calls_a_person",),
    ),
    Mutant(
        "refund-beyond-what-is-left",
        "no more goes back than came in",
        REFUNDS,
        "if not 0 < amount <= left:",
        "if not 0 < amount:",
        (f"{T_REQUESTS}::test_request_of_an_impossible_sum_is_refused",),
    ),
    Mutant(
        "refund-beside-another",
        "one refund of an order is under way at a time",
        REFUNDS,
        "if order.refunds.filter(state__in=REFUND_OPEN).exists():",
        "if False:",
        (f"{T_REQUESTS}::test_request_while_another_is_under_way_is_refused",),
    ),
    Mutant(
        "refund-request-without-lock",
        "two people who ask for a refund at once get one",
        REFUNDS,
        "    order = transitions.lock_named(merchant_order_id)\n",
        "    order = PaymentOrder.objects.get(merchant_order_id=merchant_order_id)\n",
        (f"{T_REQUESTS}::test_request_by_two_at_once_makes_one",),
    ),
    Mutant(
        "refund-settle-without-lock",
        "two answers about one refund come in line",
        REFUNDS,
        "    order = transitions.lock(refund.order_id)\n    refund.refresh_from_db()\n",
        "    order = PaymentOrder.objects.get(pk=refund.order_id)\n    refund.refresh_from_db()\n",
        (f"{T_REFUNDS}::test_two_answers_about_one_refund_at_once_end_it_once",),
    ),
)
