"""Guards of what an answer does to an order: completion, transitions, fulfilment."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

COMPLETION, TRANSITIONS, FULFILMENT = (
    "payments/completion.py",
    "payments/transitions.py",
    "payments/fulfilment.py",
)
SETTLE, DELIVER = "tests/payments/test_settle.py", "tests/payments/test_settle_and_deliver.py"
JUDGE, HOLDS, VERIFY = (f"tests/payments/test_{name}.py" for name in ("judge", "holds", "verify"))

MUTANTS = (
    Mutant(
        "settle-without-lock",
        "callers that settle one order at once come in line",
        TRANSITIONS,
        'PaymentOrder.objects.select_for_update(of=("self",), no_key=True).get(pk=order_id)',
        "PaymentOrder.objects.get(pk=order_id)",
        (f"{DELIVER}::test_settle_by_several_at_once_books_once",),
    ),
    Mutant(
        "settle-records-no-answer",
        "what PhonePe said is in the trail, whatever is made of it",
        COMPLETION,
        "    transitions.record_answer(order, answer, source=source, now=now)\n    verdict",
        "    verdict",
        (SETTLE,),
    ),
    Mutant(
        "unsettled-answer-forgotten",
        "an answer that could not be settled is recorded, and before a person",
        COMPLETION,
        "        if not _will_pass(bug):\n",
        "        if False:\n",
        ("tests/payments/test_writing.py",),
    ),
    Mutant(
        "settle-records-after-moving",
        "the answer stands in the trail before the moves it asked for",
        COMPLETION,
        "    transitions.record_answer(order, answer, source=source, now=now)\n"
        "    verdict = transitions.judge(order, answer, now=now)\n"
        "    for status in verdict.moves:\n"
        "        transitions.move(order, status, source=source, now=now, status=answer.status)\n",
        "    verdict = transitions.judge(order, answer, now=now)\n"
        "    for status in verdict.moves:\n"
        "        transitions.move(order, status, source=source, now=now, status=answer.status)\n"
        "    transitions.record_answer(order, answer, source=source, now=now)\n",
        (SETTLE,),
    ),
    Mutant(
        "settle-keeps-still-pending",
        "money that came after all ends the call for a person",
        COMPLETION,
        "if order.attention == Attention.STILL_PENDING:",
        "if False:",
        (f"{SETTLE}::test_settle_money_after_the_end_of_the_watch_clears_the_call_for_a_person",),
    ),
    Mutant(
        "settle-no-still-pending",
        "an order pending after the whole watch comes before a person",
        COMPLETION,
        "elif _is_watched_in_vain(order, answer, next_check, now=now) and not _has_spoken(order, answer):",
        "elif False:",
        (f"{SETTLE}::test_settle_not_terminal_at_the_end_of_the_watch_calls_a_person_and_stops",),
    ),
    Mutant(
        "quiet-answer-ignores-hold",
        "an answer that ends a hold is settled, not only put back",
        COMPLETION,
        " or next_check is None or holds.ends(order, answer):",
        " or next_check is None:",
        (f"{HOLDS}::test_quiet_answer_that_ends_a_hold_is_settled_not_put_back",),
    ),
    Mutant(
        "quiet-answer-ends-watch",
        "the last answer of a watch is settled, not only put back",
        COMPLETION,
        " or next_check is None or holds.ends(order, answer):",
        " or holds.ends(order, answer):",
        (
            "tests/payments/test_claims.py"
            "::test_changes_nothing_of_the_last_answer_of_a_watch_is_none_so_that_a_person_is_called",
        ),
    ),
    Mutant(
        "fulfil-again-whatever-was",
        "what was delivered is not delivered again",
        COMPLETION,
        "    if order.fulfilment == Fulfilment.DUE:\n"
        "        fulfilment.deliver(order, source=Source.CHECKER, now=now)\n",
        "    fulfilment.deliver(order, source=Source.CHECKER, now=now)\n",
        (f"{DELIVER}::test_fulfil_again_when_booked_already_books_nothing_and_ends_the_claim",),
    ),
    Mutant(
        "verify-without-single-flight",
        "who finds another asking waits for that answer",
        COMPLETION,
        "    if claimed is None:\n        return _wait_for_other(order, until=until)\n",
        "    claimed = claimed or order\n",
        (f"{VERIFY}::test_verify_by_twenty_at_once_costs_one_call_and_tells_all",),
    ),
    Mutant(
        "verify-without-gap",
        "an order that was asked about just now is not asked about again",
        COMPLETION,
        "not_asked_since = now - timedelta(seconds=not_before_s)",
        "not_asked_since = now",
        (f"{VERIFY}::test_verify_sooner_than_allowed_returns_the_order_as_it_is",),
    ),
    Mutant(
        "verify-by-hand-without-gap",
        "a person cannot make us ask as fast as they click",
        COMPLETION,
        "PaymentOrder.objects.filter(rested, pk=order.pk)",
        "PaymentOrder.objects.filter(pk=order.pk)",
        (f"{VERIFY}::test_verify_by_hand_again_at_once_is_refused_and_asks_nobody",),
    ),
    Mutant(
        "failed-looked-at-for-ever",
        "a FAILED is looked at once more, then never",
        COMPLETION,
        "return _look_at_failed(order, now=now) if looked_again else now + schedule.FAILED_AGAIN",
        "return now + schedule.FAILED_AGAIN",
        (f"{SETTLE}::test_settle_when_failed_says_why_and_looks_again_soon_and_after_expiry_then_never",),
    ),
    Mutant(
        "failed-never-looked-at-again",
        "a FAILED is looked at once more",
        COMPLETION,
        "return _look_at_failed(order, now=now) if looked_again else now + schedule.FAILED_AGAIN",
        "return None",
        (f"{SETTLE}::test_settle_when_failed_says_why_and_looks_again_soon_and_after_expiry_then_never",),
    ),
    Mutant(
        "watch-ends-without-answer",
        "a watch ends with an answer, not with silence",
        COMPLETION,
        "return due if due or answer.is_answer else now + schedule.LATE_EVERY",
        "return due",
        (f"{SETTLE}::test_settle_without_an_answer_at_the_end_of_the_watch_goes_on_asking",),
    ),
    Mutant(
        "hurry-forgotten-without-answer",
        "who hurried an order is not made to wait an hour because PhonePe was silent",
        COMPLETION,
        "if order.nudged_by and not answer.is_answer:",
        "if False:",
        (f"{SETTLE}::test_settle_hurried_order_without_an_answer_stays_hurried_and_is_due_soon",),
    ),
    Mutant(
        "amount-not-compared",
        "another sum than the order's books nothing",
        TRANSITIONS,
        "if status.amount_paise != order.amount:",
        "if False:",
        (JUDGE,),
    ),
    Mutant(
        "order-id-not-compared",
        "money of another order of PhonePe's books nothing",
        TRANSITIONS,
        "if order.gateway_order_id and status.order_id[:64] != order.gateway_order_id:",
        "if False:",
        (JUDGE,),
    ),
    Mutant(
        "moves-not-checked",
        "an order moves along states.MOVES alone",
        TRANSITIONS,
        "if to not in MOVES[came_from]:",
        "if False:",
        (f"{DELIVER}::test_move_that_is_not_in_the_table_changes_nothing",),
    ),
    Mutant(
        "unknown-is-final-at-once",
        "PhonePe may not know yet an order whose creation is under way",
        TRANSITIONS,
        "UNKNOWN_IS_FINAL_AFTER = timedelta(minutes=2)",
        "UNKNOWN_IS_FINAL_AFTER = timedelta(0)",
        (JUDGE,),
    ),
    Mutant(
        "no-grace-while-pending",
        "a payment under way at the deadline may still come",
        TRANSITIONS,
        "    if now >= order.expires_at + schedule.GRACE:\n        return Verdict((*adopt,",
        "    if now >= order.expires_at:\n        return Verdict((*adopt,",
        (JUDGE,),
    ),
    Mutant(
        "no-grace-while-unknown",
        "an order that PhonePe does not know is not over at the deadline",
        TRANSITIONS,
        "order.status == Status.INITIATED and now >= order.expires_at + schedule.GRACE:",
        "order.status == Status.INITIATED and now >= order.expires_at:",
        (JUDGE,),
    ),
    Mutant(
        "older-answer-overwrites",
        "an answer asked for before the one already known goes into the trail only",
        TRANSITIONS,
        "is_newest = order.asked_at is None or answer.asked_at >= order.asked_at",
        "is_newest = True",
        (SETTLE,),
    ),
    Mutant(
        "hurry-while-asked-is-lost",
        "an order hurried while it was asked about is due again at once",
        TRANSITIONS,
        "hurried = order.nudged_at is not None and order.nudged_at >= answer.asked_at",
        "hurried = False",
        (f"{SETTLE}::test_settle_order_nudged_while_it_was_asked_about_is_due_again_at_once",),
    ),
    Mutant(
        "handled-is-raised-again",
        "what a person has dealt with is not put before them again",
        TRANSITIONS,
        "if why == order.attention or was_handled:",
        "if why == order.attention:",
        (
            "tests/payments/test_byhand.py::test_a_settled_mismatch_is_not_raised_again_and_the_auditor_is_content",
        ),
    ),
    Mutant(
        "failed-refund-takes-the-money-back",
        "a refund that cannot be started does not undo the record of the money",
        FULFILMENT,
        '    except Exception:\n        log.exception("the refund could not be started"',
        '    except ZeroDivisionError:\n        log.exception("the refund could not be started"',
        (
            f"{DELIVER}::test_settle_when_the_refund_cannot_be_started_keeps_the_money_recorded_and_calls_a_person",
        ),
    ),
    Mutant(
        "deliver-without-savepoint",
        "a shop that raises does not take the record of the money with it",
        FULFILMENT,
        "        with transaction.atomic():\n            reference",
        "        if True:\n            reference",
        (f"{DELIVER}::test_settle_when_fulfilment_fails_keeps_the_money_and_undoes_the_shops_writes",),
    ),
    Mutant(
        "refusal-opens-no-refund",
        "money that buys nothing goes back by policy",
        FULFILMENT,
        "refunds.left_to_refund(order) == 0 or _refund(order, reason, now=now)",
        "True",
        (f"{DELIVER}::test_settle_when_the_shop_refuses_opens_a_refund_and_its_job",),
    ),
    Mutant(
        "refusal-ignores-policy",
        "a shop that wants to decide keeps the money until a person has",
        FULFILMENT,
        "if not shop.refunds_unfulfillable():",
        "if False:",
        (f"{DELIVER}::test_settle_when_the_shop_refuses_and_the_policy_holds_calls_a_person",),
    ),
    Mutant(
        "raising-shop-calls-nobody",
        "after three tries a person hears that delivering raises",
        FULFILMENT,
        "order.fulfil_attempts >= ATTENTION_AFTER and not order.attention",
        "False",
        (f"{DELIVER}::test_fulfil_again_that_raises_backs_off_calls_a_person_at_the_third_and_heals",),
    ),
    Mutant(
        "delivers-what-was-refunded",
        "what was given back whole is not delivered",
        FULFILMENT,
        "    if refunds.left_to_refund(order) == 0:\n        _give_up",
        "    if False:\n        _give_up",
        (f"{DELIVER}::test_fulfil_again_after_staff_gave_all_the_money_back_books_nothing",),
    ),
)
