"""News of a payment → one mail to its customer. `payments` calls `tell` in the transaction that causes them."""

from __future__ import annotations

from datetime import timedelta

from procrastinate.contrib.django import app as jobs

from bookings.models import Booking, Notice
from payments import shop
from payments.models import PaymentOrder, Refund
from payments.states import Fulfilment, News, RefundState

SEND = "bookings.send_notice"
# Who cancels or fails often tries again at once: a mail about the first attempt would only worry them.
UNPAID = (News.PAYMENT_FAILED, News.PAYMENT_EXPIRED)
LOOK_AGAIN_AFTER = timedelta(minutes=2)


def tell(news: shop.Notice) -> None:
    """Note the news and defer their mail: both happen exactly if their cause does. Safe to repeat."""
    notice, is_new = Notice.objects.get_or_create(
        news=news.news,
        merchant_order_id=news.merchant_order_id,
        merchant_refund_id=news.merchant_refund_id,
        defaults={"amount": news.amount_paise},
    )
    if not is_new:
        return
    wait = LOOK_AGAIN_AFTER.total_seconds() if news.news in UNPAID else 0
    jobs.configure_task(SEND, schedule_in={"seconds": wait}).defer(notice_id=notice.pk)


def is_pointless(notice: Notice, order: PaymentOrder) -> bool:
    """Whether the customer is better off without this mail, by what is known at the moment of sending.

    Of a payment that came to nothing: when the cart is paid after all, or a later attempt speaks for it.
    Of a refund that was begun: when it has failed; a person sees to it, and a new refund has news of its own.
    """
    if notice.news in UNPAID:
        same_cart = PaymentOrder.objects.filter(cart_id=order.cart_id)
        return same_cart.paid().exists() or same_cart.filter(created_at__gt=order.created_at).exists()
    if notice.news == News.REFUND_STARTED:
        failed = Refund.objects.filter(merchant_refund_id=notice.merchant_refund_id, state=RefundState.FAILED)
        return failed.exists()
    return False


def is_second_payment(order: PaymentOrder) -> bool:
    """Whether this order's money came for a cart that another order has booked."""
    booked_by_other = Booking.objects.filter(cart_id=order.cart_id).exclude(
        merchant_order_id=order.merchant_order_id
    )
    return order.fulfilment != Fulfilment.BOOKED and booked_by_other.exists()
