"""What this app refuses, each with the code and the HTTP status that the API answers."""

from __future__ import annotations


class Refusal(Exception):
    """A request that is understood and refused. `message` is for people, `code` for programs; `example` is one."""

    code = "refused"
    status = 400
    example = ""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s


class NotFound(Refusal):
    """There is no such thing, or it is not this caller's: the answer is the same."""

    code = "not_found"
    status = 404
    example = "There is no such order."


class AlreadyPaid(Refusal):
    """The reference has been paid for; nobody is sent to pay twice."""

    code = "already_paid"
    status = 409
    example = "This has been paid for already."


class NotPayable(Refusal):
    """No new payment can be started for this reference now; the message says why."""

    code = "not_payable"
    status = 409
    example = "This time has been given to others meanwhile."


class GatewayUnavailable(Refusal):
    """PhonePe could not be used just now. Whatever was begun is recorded and watched."""

    code = "gateway_unavailable"
    status = 502
    example = "PhonePe cannot be reached just now. Please try again in a minute."


class TooManyRequests(Refusal):
    """Asked again too soon; `retry_after_s` says when."""

    code = "too_many_requests"
    status = 429
    example = "This order was verified a moment ago. Please wait a little."


class NotRefundable(Refusal):
    """The order has nothing (more) to give back, or a refund of it is still under way."""

    code = "not_refundable"
    status = 409
    example = "This order has not been paid: there is nothing to give back."


class IllegalMove(Exception):
    """A bug: somebody tried to move an order along a way that `states.MOVES` does not have."""


class Unfulfillable(Exception):
    """Raised by the shop's fulfilment function: the order cannot be delivered, now or later.

    `reason` is for people. The money is refunded or held, by `PAYMENTS["UNFULFILLABLE"]`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
