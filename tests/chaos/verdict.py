"""Our tables against the gateway's books (`books.lay_open`): each rule is a SQL question that should find nothing.

Lost: money at the gateway that is neither booked nor refunded nor before a person's eyes. Double: booked,
delivered or given back more than once. Unexplained: anything else that the books do not bear out or the
audit trail does not tell.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

LOST, DOUBLE, UNEXPLAINED = "lost", "double", "unexplained"
KINDS = (LOST, DOUBLE, UNEXPLAINED)


@dataclass(frozen=True, slots=True)
class Rule:
    """`sql` yields the merchant_order_id of every order that breaks the rule; `kind` is what breaking it is."""

    kind: str
    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Breach:
    """One order that breaks one rule."""

    kind: str
    rule: str
    merchant_order_id: str


PAID_FOR_NOTHING = Rule(
    LOST,
    "paid, neither booked nor refunded nor before a person's eyes",
    """SELECT g.merchant_order_id FROM gateway_order g JOIN payments_order o USING (merchant_order_id)
       WHERE g.state = 'COMPLETED' AND o.attention = ''
       AND NOT EXISTS (SELECT FROM bookings_booking b WHERE b.merchant_order_id = g.merchant_order_id)
       AND g.paid_paise > (SELECT coalesce(sum(r.amount), 0) FROM gateway_refund r
                           WHERE r.merchant_order_id = g.merchant_order_id AND r.state = 'COMPLETED')""",
)
RULES = (
    PAID_FOR_NOTHING,
    Rule(
        LOST,
        "paid, and no such order here",
        """SELECT g.merchant_order_id FROM gateway_order g WHERE g.state = 'COMPLETED' AND NOT EXISTS (
               SELECT FROM payments_order o WHERE o.merchant_order_id = g.merchant_order_id)""",
    ),
    Rule(
        LOST,
        "refunded here, not at the gateway",
        """SELECT o.merchant_order_id FROM payments_refund r JOIN payments_order o ON o.id = r.order_id
           WHERE r.state = 'COMPLETED' AND NOT EXISTS (
               SELECT FROM gateway_refund g WHERE g.merchant_refund_id = r.merchant_refund_id
               AND g.state = 'COMPLETED' AND g.amount = r.amount)""",
    ),
    Rule(
        DOUBLE,
        "two bookings of one order",
        "SELECT merchant_order_id FROM bookings_booking GROUP BY merchant_order_id HAVING count(*) > 1",
    ),
    Rule(
        DOUBLE,
        "two bookings of one cart",
        """SELECT merchant_order_id FROM bookings_booking WHERE cart_id IN (
               SELECT cart_id FROM bookings_booking GROUP BY cart_id HAVING count(*) > 1)""",
    ),
    Rule(
        DOUBLE,
        "booked and refunded",
        """SELECT b.merchant_order_id FROM bookings_booking b
           JOIN gateway_refund r USING (merchant_order_id) WHERE r.state <> 'FAILED'""",
    ),
    Rule(
        DOUBLE,
        "refunded more than was paid",
        """SELECT g.merchant_order_id FROM gateway_order g JOIN gateway_refund r USING (merchant_order_id)
           WHERE r.state <> 'FAILED' GROUP BY g.merchant_order_id HAVING sum(r.amount) > max(g.paid_paise)""",
    ),
    Rule(
        UNEXPLAINED,
        "booked without payment",
        """SELECT b.merchant_order_id FROM bookings_booking b WHERE NOT EXISTS (
               SELECT FROM gateway_order g WHERE g.merchant_order_id = b.merchant_order_id
               AND g.state = 'COMPLETED' AND g.paid_paise = b.amount)""",
    ),
    Rule(
        UNEXPLAINED,
        "SUCCESS without payment",
        """SELECT o.merchant_order_id FROM payments_order o WHERE o.status = 'SUCCESS' AND NOT EXISTS (
               SELECT FROM gateway_order g WHERE g.merchant_order_id = o.merchant_order_id
               AND g.state = 'COMPLETED' AND g.paid_paise = o.amount)""",
    ),
    Rule(
        UNEXPLAINED,
        "counts as created at the gateway, which has never heard of it",
        """SELECT o.merchant_order_id FROM payments_order o WHERE o.status IN ('INITIATED', 'FAILED', 'SUCCESS')
           AND NOT EXISTS (SELECT FROM gateway_order g WHERE g.merchant_order_id = o.merchant_order_id)""",
    ),
    Rule(
        UNEXPLAINED,
        "refunded at the gateway, and not by us",
        """SELECT g.merchant_order_id FROM gateway_refund g WHERE NOT EXISTS (
               SELECT FROM payments_refund r JOIN payments_order o ON o.id = r.order_id
               WHERE r.merchant_refund_id = g.merchant_refund_id AND r.amount = g.amount
               AND o.merchant_order_id = g.merchant_order_id)""",
    ),
    Rule(
        UNEXPLAINED,
        "a refund that stands otherwise at the gateway",
        """SELECT o.merchant_order_id FROM payments_refund r JOIN payments_order o ON o.id = r.order_id
           LEFT JOIN gateway_refund g USING (merchant_refund_id) WHERE r.state IS DISTINCT FROM g.state""",
    ),
    Rule(
        UNEXPLAINED,
        "before a person's eyes without a cause in the gateway's books",
        """SELECT o.merchant_order_id FROM payments_order o LEFT JOIN gateway_order g USING (merchant_order_id)
           WHERE o.attention <> '' AND NOT coalesce(g.state = 'COMPLETED' AND (
               o.attention = 'amount_mismatch' AND g.paid_paise <> o.amount
               OR o.attention = 'order_id_mismatch' AND g.order_id <> o.gateway_order_id), false)""",
    ),
    Rule(
        UNEXPLAINED,
        "open, and nobody will ask about it",
        """SELECT merchant_order_id FROM payments_order
           WHERE status IN ('PENDING', 'INITIATED') AND next_check_at IS NULL""",
    ),
    Rule(
        UNEXPLAINED,
        "no event of the move to its status",
        """SELECT o.merchant_order_id FROM payments_order o WHERE o.status <> 'PENDING'
           AND o.status IS DISTINCT FROM (SELECT e.to_status FROM payments_event e
               WHERE e.order_id = o.id AND e.kind = 'moved' ORDER BY e.id DESC LIMIT 1)""",
    ),
    Rule(
        UNEXPLAINED,
        "an event of a move is missing or double",
        """SELECT DISTINCT o.merchant_order_id FROM payments_order o JOIN (
               SELECT order_id, from_status,
                   lag(to_status, 1, 'PENDING') OVER (PARTITION BY order_id ORDER BY id) AS came_from
               FROM payments_event WHERE kind = 'moved') e ON e.order_id = o.id
           WHERE e.from_status <> e.came_from""",
    ),
    Rule(
        UNEXPLAINED,
        "created without an event",
        """SELECT o.merchant_order_id FROM payments_order o WHERE 1 <> (
               SELECT count(*) FROM payments_event e WHERE e.order_id = o.id AND e.kind = 'created')""",
    ),
    Rule(
        UNEXPLAINED,
        "asked about more often than answers were recorded",
        """SELECT o.merchant_order_id FROM payments_order o WHERE o.asks > (
               SELECT count(*) FROM payments_event e WHERE e.order_id = o.id AND e.kind = 'answered')""",
    ),
    Rule(
        UNEXPLAINED,
        "SUCCESS without a recorded COMPLETED before it",
        """SELECT o.merchant_order_id FROM payments_order o JOIN payments_event m ON m.order_id = o.id
           AND m.kind = 'moved' AND m.to_status = 'SUCCESS' WHERE NOT EXISTS (
               SELECT FROM payments_event e WHERE e.order_id = o.id AND e.kind = 'answered' AND e.id < m.id
               AND e.detail ->> 'state' = 'COMPLETED')""",
    ),
    Rule(
        UNEXPLAINED,
        "what became of the money has not exactly one event",
        """SELECT o.merchant_order_id FROM payments_order o WHERE o.status = 'SUCCESS' AND 1 <> (
               SELECT count(*) FROM payments_event e WHERE e.order_id = o.id AND e.kind =
               CASE o.fulfilment WHEN 'BOOKED' THEN 'fulfilled' WHEN 'UNFULFILLABLE' THEN 'unfulfillable' END)""",
    ),
    Rule(
        UNEXPLAINED,
        "no event of the refund's last state",
        """SELECT o.merchant_order_id FROM payments_refund r JOIN payments_order o ON o.id = r.order_id
           WHERE NOT EXISTS (SELECT FROM payments_event e WHERE e.order_id = o.id AND e.kind = 'refund'
               AND e.detail ->> 'refund' = r.merchant_refund_id AND e.detail ->> 'state' = r.state)""",
    ),
)

SUMS = """
    SELECT what, count(*), coalesce(sum(paise), 0)::bigint FROM (
        SELECT g.paid_paise AS paise, CASE
            WHEN g.state <> 'COMPLETED' THEN 'not paid'
            WHEN b.id IS NOT NULL THEN 'booked'
            WHEN EXISTS (SELECT FROM gateway_refund r WHERE r.merchant_order_id = g.merchant_order_id
                         AND r.state = 'COMPLETED') THEN 'refunded'
            WHEN o.attention <> '' THEN o.attention ELSE 'NOTHING' END AS what
        FROM gateway_order g LEFT JOIN payments_order o USING (merchant_order_id)
        LEFT JOIN bookings_booking b USING (merchant_order_id)
    ) AS each GROUP BY what ORDER BY count(*) DESC
"""


def breaches(rules: tuple[Rule, ...] = RULES) -> list[Breach]:
    """Ask every question."""
    return [Breach(rule.kind, rule.name, name) for rule in rules for name in _answers(rule)]


def sums() -> list[tuple[str, int, int]]:
    """What became of the gateway's orders: what, how many, paise."""
    with connection.cursor() as cursor:
        cursor.execute(SUMS)
        return list(cursor.fetchall())


def _answers(rule: Rule) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(rule.sql)
        return sorted({row[0] for row in cursor.fetchall()})
