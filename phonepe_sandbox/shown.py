"""How the control API and the pages show an order."""

from aiohttp import web

from phonepe_sandbox.entries import Json, Order
from phonepe_sandbox.sandbox import Sandbox

PAY_PAGES = {"sandbox": "/transact/uat_v2", "production": "/transact/pgv2"}


def pay_page(sandbox: Sandbox, request: web.Request, order: Order) -> str:
    """Where the customer pays: our own page, under the path that the real one has (§1)."""
    base = sandbox.settings.public_url or f"{request.scheme}://{request.host}"
    return f"{base.rstrip('/')}{PAY_PAGES[order.layout]}?token={order.page_token}"


def order_shown(sandbox: Sandbox, request: web.Request, order: Order) -> Json:
    """Everything about an order, in the words of the wire format where it has some."""
    return {
        "merchantOrderId": order.merchant_order_id,
        "orderId": order.order_id,
        "state": order.state,
        "errorCode": order.failure and order.failure.error_code,
        "detailedErrorCode": order.failure and order.failure.detailed_error_code,
        "amount": order.amount,
        "reportedAmount": order.told_amount,
        "createdAt": order.created_at_ms,
        "expireAt": order.expire_at_ms,
        "paidAt": order.paid_at_ms,
        "redirectUrl": order.redirect_url,
        "payPageUrl": pay_page(sandbox, request, order),
        "attempts": [
            {
                "transactionId": attempt.transaction_id,
                "paymentMode": attempt.payment_mode,
                "state": attempt.state,
                "amount": attempt.amount,
                "timestamp": attempt.timestamp_ms,
            }
            for attempt in order.attempts
        ],
        "refunds": [
            {
                "merchantRefundId": refund.merchant_refund_id,
                "refundId": refund.refund_id,
                "amount": refund.amount,
                "state": refund.state,
                "timestamp": refund.timestamp_ms,
            }
            for refund in order.refunds
        ],
        "calls": sandbox.journal.calls(order.merchant_order_id),
        "webhooks": [sent.shown() for sent in sandbox.postman.deliveries(order.merchant_order_id)],
    }
