"""When money may be given back (§5.1)."""

from phonepe_sandbox.entries import NewRefund, Order

REFUND_AGE_MS = 90 * 86_400_000


class RefundRefused(Exception):
    """A refund that breaks a rule of §5.1; its text says which."""


def refundable(order: Order | None, new: NewRefund, now_ms: int) -> Order:
    """The order to refund. Raises RefundRefused."""
    if order is None:
        raise RefundRefused("originalMerchantOrderId is unknown")
    if order.state != "COMPLETED" or order.paid_at_ms is None:
        raise RefundRefused("the order is not COMPLETED")
    if now_ms - order.paid_at_ms > REFUND_AGE_MS:
        raise RefundRefused("the payment is older than 90 days")
    if any(r.state in ("PENDING", "CONFIRMED") for r in order.refunds):
        raise RefundRefused("another refund of this order is under way")
    if new.amount > order.refundable:
        raise RefundRefused(f"only {order.refundable} paise are left to refund")
    return order
