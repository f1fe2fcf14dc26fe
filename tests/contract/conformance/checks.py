"""What the SDK must find at the emulator: one function, one line of the report."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from phonepe.sdk.pg.common.exceptions import (
    BadRequest,
    ExpectationFailed,
    PhonePeException,
    ResourceNotFound,
    ServerError,
    TooManyRequests,
    UnauthorizedAccess,
)
from phonepe.sdk.pg.common.models.request.meta_info import MetaInfo
from phonepe.sdk.pg.common.models.request.refund_request import RefundRequest
from phonepe.sdk.pg.payments.v2.models.request.create_sdk_order_request import CreateSdkOrderRequest
from phonepe.sdk.pg.payments.v2.models.request.payment_mode_config import PaymentModeConfig
from phonepe.sdk.pg.payments.v2.models.request.prefill_user_login_details import PrefillUserLoginDetails
from phonepe.sdk.pg.payments.v2.models.request.standard_checkout_pay_request import StandardCheckoutPayRequest

from tests.contract.conformance import sdk
from tests.contract.conformance.emulator import PASSWORD, USERNAME, Emulator
from tests.contract.conformance.receiver import Receiver

AMOUNT = 149_900
_numbers = count(1)


@dataclass(frozen=True)
class World:
    """What a check works with; `client` is the SDK's, with a token."""

    emulator: Emulator
    receiver: Receiver
    client: Any

    def order(self, **fields: Any) -> str:
        """The id of a new order, made by the SDK's `pay`."""
        name = f"ORD-{next(_numbers)}"
        self.client.pay(payment(name, **fields))
        return name

    def paid_order(self, **how: Any) -> str:
        name = self.order()
        self.emulator.customer(name, "success", **how)
        return name

    def refund(self, order: str, amount: int = AMOUNT) -> tuple[str, Any]:
        """A new refund's id and the SDK's answer."""
        name = f"REF-{next(_numbers)}"
        return name, self.client.refund(RefundRequest.build_refund_request(name, amount, order))


def payment(name: str, amount: int = AMOUNT, **fields: Any) -> StandardCheckoutPayRequest:
    fields = {"redirect_url": f"http://127.0.0.1/back/{name}", "expire_after": 900} | fields
    return StandardCheckoutPayRequest.build_request(merchant_order_id=name, amount=amount, **fields)


def refused(kind: type[PhonePeException], code: str | None, call: Callable[..., Any], *given: Any) -> Any:
    """The SDK's exception, which must be exactly of `kind` and carry `code`."""
    try:
        answer = call(*given)
    except PhonePeException as caught:
        error = caught
    else:
        raise AssertionError(f"accepted: {answer}")
    assert (type(error), error.code) == (kind, code), f"{type(error).__name__} {error.code}"
    return error


# -- token --------------------------------------------------------------------------------


def bad_credentials_are_refused_at_once_with_400(world: World) -> None:
    error = refused(BadRequest, "OIM000", lambda: sdk.client(client_secret="wrong"))

    assert error.data == {"error_description": "Client authentication failure"}


def bad_credentials_are_refused_at_once_with_401(world: World) -> None:
    world.emulator("settings", bad_client_status=401)

    refused(UnauthorizedAccess, "OIM000", lambda: sdk.client(client_id="wrong"))


def revoked_token_is_refused_and_the_next_call_has_a_new_one(world: World) -> None:
    name = world.order()
    world.emulator("faults", on="status", kind="unauthorized", count=1)
    token = world.client._token_service.cached_token_data

    refused(UnauthorizedAccess, "AUTHORIZATION_FAILED", world.client.get_order_status, name)

    assert world.client._token_service.cached_token_data is not token
    assert world.client.get_order_status(name).state == "PENDING"


def expired_token_is_refused(world: World) -> None:
    name = world.order()
    world.emulator.later(3601)

    refused(UnauthorizedAccess, "AUTHORIZATION_FAILED", world.client.get_order_status, name)

    assert world.client.get_order_status(name).state == "FAILED"


# -- pay ----------------------------------------------------------------------------------


def pay_gives_a_pending_order_and_its_pay_page(world: World) -> None:
    answer = world.client.pay(payment("PAY-1", redirect_url="http://127.0.0.1/back", expire_after=None))

    assert answer.state == "PENDING"
    assert answer.order_id.startswith("OMO")
    assert answer.redirect_url.startswith(world.emulator.url)
    assert answer.expire_at > 1_700_000_000_000


def pay_with_every_field_is_accepted_and_its_meta_info_comes_back(world: World) -> None:
    free = {f"udf{n}": f"पूजा {n} & <b>" for n in range(1, 11)}
    plain = {f"udf{n}": f"a_b-c+d@e.{n}" for n in range(11, 16)}
    modes = [{"type": "UPI_INTENT"}, {"type": "UPI_QR"}, {"type": "UPI_COLLECT"}, {"type": "NET_BANKING"}]
    card = {"type": "CARD", "cardTypes": ["DEBIT_CARD", "CREDIT_CARD"]}

    name = world.order(
        message="Ganesh puja",
        meta_info=MetaInfo.build_meta_info(**free | plain),
        payment_mode_config=PaymentModeConfig(enabled_payment_modes=[*modes, card]),
        disable_payment_retry=True,
        prefill_user_login_details=PrefillUserLoginDetails(phone_number="9999999999"),
    )

    status = world.client.get_order_status(name)
    assert status.meta_info.to_dict() == free | plain


def pay_that_breaks_a_documented_rule_is_refused(world: World) -> None:
    for broken in (
        payment("PAY-2", amount=99),
        payment("PAY-2", amount="1000"),  # type: ignore[arg-type]
        payment("PAY-2", expire_after=299),
        payment("PAY-2", expire_after=3601),
        payment("PAY-2", redirect_url=None),
        payment("x" * 64),
        payment("with space"),
    ):
        refused(BadRequest, "BAD_REQUEST", world.client.pay, broken)
    refused(BadRequest, "INVALID_MERCHANT_ORDER_ID", world.client.get_order_status, "PAY-2")


def duplicate_id_is_refused_with_400_and_changes_nothing(world: World) -> None:
    name = world.order()

    refused(BadRequest, "BAD_REQUEST", world.client.pay, payment(name, amount=500))

    assert world.client.get_order_status(name).amount == AMOUNT


def duplicate_id_is_refused_in_the_other_documented_words(world: World) -> None:
    name = world.order()

    for switch, kind in (
        ("INVALID_TRANSACTION_ID", ExpectationFailed),
        ("INVALID_MERCHANT_ORDER_ID", ExpectationFailed),
        ("ORDER_ALREADY_EXISTS", BadRequest),
    ):
        world.emulator("settings", duplicate_answer=switch)
        refused(kind, switch, world.client.pay, payment(name))


def sdk_order_gives_a_token(world: World) -> None:
    request = CreateSdkOrderRequest.build_standard_checkout_request(
        merchant_order_id="APP-1", amount=AMOUNT, redirect_url="http://127.0.0.1/back", expire_after=900
    )

    answer = world.client.create_sdk_order(request)

    assert answer.token
    assert (answer.state, answer.order_id[:3]) == ("PENDING", "OMO")
    assert world.client.get_order_status("APP-1").order_id == answer.order_id


# -- status -------------------------------------------------------------------------------


def status_of_an_order_nobody_tried_to_pay(world: World) -> None:
    name = world.order()

    status = world.client.get_order_status(name)

    assert (status.state, status.amount, status.payment_details) == ("PENDING", AMOUNT, [])
    assert (status.error_code, status.detailed_error_code) == (None, None)


def status_after_a_failed_attempt_then_a_completed_one(world: World) -> None:
    name = world.order()
    world.emulator.customer(name, "retry", paymentMode="UPI_COLLECT")
    trying = world.client.get_order_status(name)
    world.emulator.customer(name, "success", paymentMode="UPI_QR")

    latest = world.client.get_order_status(name)
    every = world.client.get_order_status(name, details=True)

    assert (trying.state, [a.state for a in trying.payment_details]) == ("PENDING", ["FAILED"])
    assert (latest.state, [a.state for a in latest.payment_details]) == ("COMPLETED", ["COMPLETED"])
    assert [a.state for a in every.payment_details] == ["FAILED", "COMPLETED"]
    assert every.payment_details[0].error_code
    paid = every.payment_details[1]
    assert (paid.payment_mode, paid.amount, paid.rail.type) == ("UPI_QR", AMOUNT, "UPI")
    assert paid.rail.utr
    assert paid.split_instruments[0].rail.utr == paid.rail.utr
    assert (latest.amount, latest.payable_amount, latest.fee_amount) == (AMOUNT, AMOUNT, 0)


def status_of_a_failed_order_says_why(world: World) -> None:
    for outcome, codes in (
        ("failure", ("TXN_NOT_COMPLETED", "TXN_AUTO_FAILED")),
        ("cancel", ("TXN_CANCELLED", "ORDER_CANCELLED_BY_USER")),
    ):
        name = world.order()
        world.emulator.customer(name, outcome)
        status = world.client.get_order_status(name)
        assert (status.state, status.error_code, status.detailed_error_code) == ("FAILED", *codes)


def status_of_an_expired_order_is_failed(world: World) -> None:
    name = world.order(expire_after=300)
    world.emulator.later(301)

    status = world.client.get_order_status(name)

    assert (status.state, status.detailed_error_code) == ("FAILED", "ORDER_EXPIRED")
    assert status.payment_details == []


def status_of_every_payment_mode_can_be_read(world: World) -> None:
    rails = {
        "UPI_INTENT": "UPI",
        "UPI_COLLECT": "UPI",
        "UPI_QR": "UPI",
        "CARD": "PG",
        "NET_BANKING": "PG",
    }
    for mode, rail in rails.items():
        (paid,) = world.client.get_order_status(world.paid_order(paymentMode=mode)).payment_details
        # The SDK leaves what it does not know as a dict: an object proves that the type was known.
        assert (paid.payment_mode, paid.rail.type) == (mode, rail)
        assert paid.instrument.type


def status_of_an_unknown_order_is_refused_by_its_code(world: World) -> None:
    refused(BadRequest, "INVALID_MERCHANT_ORDER_ID", world.client.get_order_status, "NOBODY")

    world.emulator("settings", unknown_status=404)
    refused(ResourceNotFound, "INVALID_MERCHANT_ORDER_ID", world.client.get_order_status, "NOBODY")


def transaction_status_tells_of_that_attempt_only(world: World) -> None:
    name = world.order()
    world.emulator.customer(name, "retry")
    world.emulator.customer(name, "success")
    every = world.client.get_order_status(name, details=True)

    for attempt in every.payment_details:
        found = world.client.get_transaction_status(attempt.transaction_id)
        assert (found.order_id, found.state, found.amount) == (every.order_id, "COMPLETED", AMOUNT)
        assert [a.transaction_id for a in found.payment_details] == [attempt.transaction_id]


def transaction_status_of_an_unknown_attempt_is_refused(world: World) -> None:
    refused(BadRequest, "INVALID_TRANSACTION_ID", world.client.get_transaction_status, "OM0")


# -- refund -------------------------------------------------------------------------------


def refund_goes_from_pending_over_confirmed_to_completed(world: World) -> None:
    world.emulator("settings", refund_confirm_after=60, refund_complete_after=60)
    order = world.paid_order()

    name, taken = world.refund(order, 50_000)
    states = [world.client.get_refund_status(name).state]
    for _ in range(2):
        world.emulator.later(61)
        states.append(world.client.get_refund_status(name).state)

    assert (taken.state, taken.amount, taken.refund_id[:3]) == ("PENDING", 50_000, "OMR")
    assert states == ["PENDING", "CONFIRMED", "COMPLETED"]
    done = world.client.get_refund_status(name)
    assert (done.original_merchant_order_id, done.amount) == (order, 50_000)
    (part,) = done.payment_details
    assert (part.transaction_id, part.state, part.amount) == (taken.refund_id, "COMPLETED", 50_000)
    assert world.client.get_order_status(order).state == "COMPLETED"


def refund_that_fails(world: World) -> None:
    world.emulator("settings", refund_confirm_after=0, refund_complete_after=0, refund_outcome="FAILED")
    name, _ = world.refund(world.paid_order())
    world.emulator.later(1)

    assert world.client.get_refund_status(name).state == "FAILED"


def refund_of_too_much_or_of_an_unpaid_or_unknown_order_is_refused(world: World) -> None:
    paid, unpaid = world.paid_order(), world.order()

    for order, amount in ((paid, AMOUNT + 1), (unpaid, AMOUNT), ("NOBODY", AMOUNT), (paid, 99)):
        refused(BadRequest, "BAD_REQUEST", world.refund, order, amount)


def refund_id_used_twice_is_refused(world: World) -> None:
    order = world.paid_order()
    name, _ = world.refund(order, 1_000)

    again = RefundRequest.build_refund_request(name, 1_000, order)
    refused(BadRequest, "BAD_REQUEST", world.client.refund, again)


def refund_status_of_an_unknown_refund_is_refused(world: World) -> None:
    refused(BadRequest, "INVALID_MERCHANT_REFUND_ID", world.client.get_refund_status, "NOBODY")


# -- webhooks -----------------------------------------------------------------------------


def webhook_of_a_completed_order_is_valid(world: World) -> None:
    name = world.paid_order(webhook=True)

    callback = world.client.validate_callback(USERNAME, PASSWORD, *world.receiver.next())

    told = callback.payload
    assert (callback.event, callback.type) == ("checkout.order.completed", "CHECKOUT_ORDER_COMPLETED")
    assert (told.merchant_order_id, told.state, told.amount) == (name, "COMPLETED", AMOUNT)
    assert (told.merchant_id, told.payment_details[0].state) == ("SANDBOXMERCHANT", "COMPLETED")


def webhook_of_a_failed_order_is_valid(world: World) -> None:
    name = world.order()
    world.emulator.customer(name, "failure", webhook=True)

    callback = world.client.validate_callback(USERNAME, PASSWORD, *world.receiver.next())

    assert callback.type == "CHECKOUT_ORDER_FAILED"
    assert (callback.payload.merchant_order_id, callback.payload.state) == (name, "FAILED")
    assert callback.payload.payment_details[0].error_code


def webhook_of_a_failed_attempt_is_valid_and_the_order_pending(world: World) -> None:
    name = world.order()
    world.emulator.customer(name, "retry", webhook=True)

    callback = world.client.validate_callback(USERNAME, PASSWORD, *world.receiver.next())

    assert callback.type == "CHECKOUT_TRANSACTION_ATTEMPT_FAILED"
    assert (callback.payload.merchant_order_id, callback.payload.state) == (name, "PENDING")


def webhooks_of_a_refund_are_valid(world: World) -> None:
    world.emulator("settings", refund_confirm_after=0, refund_complete_after=0)
    order = world.paid_order()
    name, taken = world.refund(order)
    world.emulator.later(1)

    # Both go out in the same instant, over connections of their own: either may arrive first.
    callbacks = (world.client.validate_callback(USERNAME, PASSWORD, *world.receiver.next()) for _ in range(2))
    told_by = {callback.type: callback.payload for callback in callbacks}

    assert set(told_by) == {"PG_REFUND_ACCEPTED", "PG_REFUND_COMPLETED"}
    told = told_by["PG_REFUND_COMPLETED"]
    assert (told.merchant_refund_id, told.original_merchant_order_id) == (name, order)
    assert (told.refund_id, told.state) == (taken.refund_id, "COMPLETED")


def webhook_with_another_password_is_invalid(world: World) -> None:
    world.paid_order(webhook=True)
    header, body = world.receiver.next()

    for given in ((USERNAME, "other1pass", header), (USERNAME, PASSWORD, header.upper())):
        error = refused(PhonePeException, None, world.client.validate_callback, *given, body)
        assert (error.http_status_code, error.message) == (417, "Invalid Callback")


def webhook_with_a_wrong_credential_is_invalid(world: World) -> None:
    world.emulator("faults", on="webhook", kind="wrong_credential", count=1)
    world.paid_order(webhook=True)
    header, body = world.receiver.next()

    refused(PhonePeException, None, world.client.validate_callback, USERNAME, PASSWORD, header, body)


# -- trouble, and the other layout --------------------------------------------------------


def refusals_of_an_overloaded_gateway_are_understood(world: World) -> None:
    name = world.order()
    world.emulator("faults", on="status", kind="rate_limited", count=1)
    refused(TooManyRequests, "TOO_MANY_REQUESTS", world.client.get_order_status, name)

    world.emulator("faults", on="status", kind="server_error", status=500, body="json", count=1)
    refused(ServerError, "INTERNAL_SERVER_ERROR", world.client.get_order_status, name)

    for status, body in ((502, "html"), (503, "string"), (504, "empty")):
        world.emulator("faults", on="status", kind="server_error", status=status, body=body, count=1)
        refused(ServerError, None, world.client.get_order_status, name)


def production_layout_answers_the_same(world: World) -> None:
    client = sdk.client(env="PRODUCTION")
    try:
        client.pay(payment("PROD-1"))
        world.emulator.customer("PROD-1", "success")
        assert client.get_order_status("PROD-1").state == "COMPLETED"
        client.refund(RefundRequest.build_refund_request("PROD-R-1", AMOUNT, "PROD-1"))
        assert client.get_refund_status("PROD-R-1").state == "PENDING"
    finally:
        client.close()


ALL = [
    made
    for name, made in list(globals().items())
    if inspect.isfunction(made)
    and made.__module__ == __name__
    and next(iter(inspect.signature(made).parameters), "") == "world"
]
