"""Guards that the database keeps itself: what no code path and no hand at psql may do."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

FIRST, GUARDS, AUDIT, TRUNCATE = (
    f"payments/migrations/{name}.py"
    for name in ("0001_initial", "0002_guards", "0004_audit_and_inbox", "0015_truncate_hint")
)
BOOKINGS = "bookings/migrations/0002_guards.py"
T_GUARDS = "tests/payments/test_guards.py"
T_REFUSES = "tests/journeys/test_database_refuses.py"
T_BOOKING = "tests/bookings/test_fulfilment.py"


def unique_of_no_row(name: str, guards: str, condition: str, *killed_by: str) -> Mutant:
    """A partial unique index whose condition no row fulfils: there as before, and good for nothing."""
    nobody = condition[: condition.index("[")] + '["NOBODY"])),'
    return Mutant(name, guards, FIRST, condition, nobody, killed_by)


def sleeping(name: str, guards: str, *killed_by: str, function: str, file: str = GUARDS) -> Mutant:
    """A trigger that lets everything pass: its function returns at once."""
    begin = f" FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n"
    return Mutant(name, guards, file, begin, f"{begin}    RETURN coalesce(NEW, OLD);\n", killed_by)


MUTANTS = (
    unique_of_no_row(
        "two-open-orders-per-cart",
        "a cart has one open order",
        'condition=models.Q(("status__in", ["PENDING", "INITIATED"])),',
        f"{T_GUARDS}::test_second_open_order_of_a_cart_is_refused",
    ),
    unique_of_no_row(
        "two-open-refunds-per-order",
        "an order has one refund under way",
        'condition=models.Q(("state__in", ["DUE", "PENDING", "CONFIRMED"])),',
        f"{T_GUARDS}::test_second_open_refund_of_an_order_is_refused",
    ),
    Mutant(
        "database-allows-any-move",
        "an order moves along the table alone, by SQL as well",
        GUARDS,
        "IF NEW.status <> OLD.status AND NOT (OLD.status, NEW.status) IN (",
        "IF false AND NOT (OLD.status, NEW.status) IN (",
        (f"{T_GUARDS}::test_order_moved_by_sql_may_go_the_ways_of_moves_and_no_other",),
    ),
    Mutant(
        "database-changes-amount",
        "what an order is for never changes",
        GUARDS,
        "IF NEW.merchant_order_id <> OLD.merchant_order_id OR NEW.amount <> OLD.amount\n"
        "        OR NEW.cart_id",
        "IF NEW.merchant_order_id <> OLD.merchant_order_id\n        OR NEW.cart_id",
        (f"{T_GUARDS}::test_frozen_column_of_an_order_never_changes",),
    ),
    Mutant(
        "database-unbooks",
        "what was delivered stays delivered",
        GUARDS,
        "IF OLD.fulfilment = 'BOOKED' AND NEW.fulfilment <> 'BOOKED' THEN",
        "IF false THEN",
        (f"{T_GUARDS}::test_booked_order_stays_booked",),
    ),
    sleeping(
        "database-deletes-orders",
        "orders are never deleted",
        f"{T_GUARDS}::test_order_deleted_by_sql_is_kept",
        function="payments_order_kept",
    ),
    sleeping(
        "database-edits-trail",
        "the audit trail is only appended to",
        f"{T_GUARDS}::test_event_edited_or_deleted_by_sql_stays_as_it_was",
        function="payments_event_append_only",
    ),
    Mutant(
        "database-refunds-unpaid",
        "nothing goes back of an order that is not paid",
        GUARDS,
        "IF paid.status <> 'SUCCESS' THEN",
        "IF false THEN",
        (f"{T_GUARDS}::test_refund_of_an_unpaid_order_is_refused",),
    ),
    Mutant(
        "database-refunds-too-much",
        "refunds of an order never exceed what was paid",
        GUARDS,
        "IF NEW.state <> 'FAILED' AND others + NEW.amount > paid.amount THEN",
        "IF false THEN",
        (f"{T_GUARDS}::test_refunds_that_together_exceed_what_was_paid_are_refused",),
    ),
    Mutant(
        "database-refunds-unlocked",
        "two refunds at once cannot both take the same remainder",
        GUARDS,
        "WHERE id = NEW.order_id FOR NO KEY UPDATE;",
        "WHERE id = NEW.order_id;",
        (f"{T_GUARDS}::test_two_refunds_inserted_at_once_cannot_both_take_the_same_remainder",),
    ),
    Mutant(
        "database-reopens-refunds",
        "a refund that is final stays so",
        GUARDS,
        "IF TG_OP = 'UPDATE' AND OLD.state IN ('COMPLETED', 'FAILED') AND NEW.state <> OLD.state THEN",
        "IF false THEN",
        (f"{T_GUARDS}::test_refund_that_is_final_stays_so",),
    ),
    sleeping(
        "database-deletes-refunds",
        "refunds are never deleted",
        f"{T_GUARDS}::test_refund_deleted_by_sql_is_kept",
        function="payments_refund_kept",
    ),
    sleeping(
        "database-empties-tables",
        "the record of money is never emptied",
        f"{T_REFUSES}::test_the_record_of_money_cannot_be_emptied",
        function="payments_no_truncate",
        file=TRUNCATE,
    ),
    sleeping(
        "database-order-born-paid",
        "no order is paid from birth",
        f"{T_REFUSES}::test_an_order_that_is_paid_from_birth_is_refused",
        function="payments_order_born_unpaid",
        file=AUDIT,
    ),
    sleeping(
        "database-books-unpaid",
        "no booking without its money",
        f"{T_BOOKING}::test_the_database_refuses_a_booking_without_its_money",
        function="bookings_booking_of_paid",
        file=BOOKINGS,
    ),
    sleeping(
        "database-deletes-bookings",
        "bookings are never deleted",
        f"{T_REFUSES}::test_what_has_happened_cannot_be_undone",
        function="bookings_booking_kept",
        file=BOOKINGS,
    ),
)
