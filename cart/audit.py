"""Questions about the places of a time: the counts against the holds, the holds against the orders."""

from payments.audit import ATTEND, CARTS, Question

LIVE_IN_ITS_SLOT = """SELECT FROM cart_slothold h JOIN cart_slot s ON s.id = h.slot_id
               WHERE h.cart_id = o.cart_id AND h.state IN ('HELD', 'TAKEN')
                   AND s.puja_id = (o.snapshot->>'puja_id')::bigint AND s.date = (o.snapshot->>'date')::date
                   AND s.time = (o.snapshot->>'time')::time"""

SLOTS = """SELECT s.id FROM payments_order o JOIN cart_slot s ON s.puja_id = (o.snapshot->>'puja_id')::bigint
               AND s.date = (o.snapshot->>'date')::date AND s.time = (o.snapshot->>'time')::time
           WHERE o.id = ANY (%(touched)s)"""

QUESTIONS = (
    Question(
        "slot_miscounted",
        "A slot counts as taken exactly the places that are held or booked.",
        """SELECT 'slot ' || s.id, s.id FROM cart_slot s WHERE s.taken <> (
               SELECT count(*) FROM cart_slothold h WHERE h.slot_id = s.id AND h.state IN ('HELD', 'TAKEN')
           )""",
        lately=SLOTS,
        key="id",
    ),
    Question(
        "place_held_for_nobody",
        "A place is held only while an order of its cart may be paid.",
        """SELECT DISTINCT h.cart_id FROM cart_slothold h WHERE h.state = 'HELD' AND NOT EXISTS (
               SELECT FROM payments_order o WHERE o.cart_id = h.cart_id AND o.holding
           )""",
        lately=CARTS,
    ),
    Question(
        "order_without_place",
        "An order that may be paid has a place in its slot.",
        f"""SELECT o.merchant_order_id FROM payments_order o
           WHERE o.holding AND o.snapshot ? 'puja_id' AND NOT EXISTS ({LIVE_IN_ITS_SLOT})""",  # noqa: S608
        ATTEND,
    ),
)
