"""One token for everybody (§2)."""

import asyncio

import pytest

from phonepe_pg import Misconfigured, PhonePeError, RateLimited, Unavailable
from tests.phonepe_pg.stub_gateway import PAYMENT, SECRET, TOKEN, answer, token_answer

PENDING = {"state": "PENDING", "amount": 100}
REFUSED = {"success": False, "code": "AUTHORIZATION_FAILED", "message": "Authorization failed"}
INVALID_CLIENT = {
    "code": "INVALID_CLIENT",
    "errorCode": "OIM000",
    "message": "Bad Request: Invalid Client, trackingId: 2123d",
    "context": {"error_description": "Client authentication failure"},
}


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def bearers(stub):
    return [call.headers["Authorization"] for call in stub.calls]


async def slowly(request, *, reply=None):
    await asyncio.sleep(0.05)
    return reply or token_answer(TOKEN)


async def test_thousand_first_calls_at_once_make_one_token_request(stub, client):
    stub.says(answer(200, PENDING))
    stub.token_answers.append(slowly)

    results = await asyncio.gather(*(client.order_status(f"ORD-{n}") for n in range(1000)))

    assert len(results) == len(stub.calls) == 1000
    assert len(stub.token_calls) == 1


async def test_thousand_first_calls_share_one_failure(stub, client):
    stub.token_answers.append(lambda request: slowly(request, reply=answer(503, b'"R999"')))

    results = await asyncio.gather(
        *(client.order_status(f"ORD-{n}") for n in range(1000)), return_exceptions=True
    )

    assert {type(result) for result in results} == {Unavailable}
    assert {result.sent for result in results} == {False}
    assert (len(stub.token_calls), stub.calls) == (1, [])


async def test_cancelled_first_caller_leaves_the_token_to_the_next(stub, client):
    stub.says(answer(200, PENDING))
    stub.token_answers.append(slowly)
    first, second = (asyncio.create_task(client.order_status("ORD-1")) for _ in range(2))
    await asyncio.sleep(0.02)

    first.cancel()

    assert (await second).pending
    with pytest.raises(asyncio.CancelledError):
        await first


@pytest.mark.parametrize(
    ("lives_s", "kept_until_s"), [(3600, 3300), (624_600, 624_300), (600, 300), (400, 200), (60, 30), (2, 1)]
)
async def test_token_is_renewed_early_by_the_lifetime_given(stub, make_client, lives_s, kept_until_s):
    clock = Clock()
    client = make_client(clock=clock)
    stub.says(answer(200, PENDING))
    stub.token_answers.append(token_answer(TOKEN, lives_s=lives_s))
    await client.order_status("ORD-1")

    clock.now += kept_until_s - 0.5
    await client.order_status("ORD-1")
    assert len(stub.token_calls) == 1

    clock.now += 1
    await client.order_status("ORD-1")
    assert len(stub.token_calls) == 2


@pytest.mark.parametrize("skew_s", [-600, 600, -(10**9), 10**9])
async def test_clock_skew_does_no_harm(stub, client, skew_s):
    stub.says(answer(200, PENDING))
    stub.token_answers.append(token_answer(TOKEN, issued_at=1_764_000_000 + skew_s))

    for _ in range(3):
        await client.order_status("ORD-1")

    assert len(stub.token_calls) == 1


@pytest.mark.parametrize(
    "trouble", [answer(500, b""), answer(429, b""), answer(400, INVALID_CLIENT), answer(200, b"<html>")]
)
async def test_failed_renewal_keeps_the_old_token_while_it_lives(stub, make_client, trouble):
    clock = Clock()
    client = make_client(clock=clock)
    stub.says(answer(200, PENDING))
    stub.token_answers[:] = [token_answer(TOKEN), trouble]
    await client.order_status("ORD-1")

    clock.now += 3400
    for _ in range(5):
        await client.order_status("ORD-1")
    assert bearers(stub) == [f"O-Bearer {TOKEN}"] * 6
    assert len(stub.token_calls) == 2  # not one failing renewal per call

    clock.now += 10
    await client.order_status("ORD-1")
    assert len(stub.token_calls) == 3

    clock.now += 300
    with pytest.raises(PhonePeError) as caught:
        await client.order_status("ORD-1")
    assert caught.value.sent is False
    assert len(stub.calls) == 7


async def test_nobody_waits_for_a_renewal_while_the_old_token_lives(stub, make_client):
    clock = Clock()
    client = make_client(clock=clock)
    stub.says(answer(200, PENDING))
    release = asyncio.Event()

    async def hangs(request):
        await release.wait()
        return token_answer("next")

    stub.token_answers[:] = [token_answer(TOKEN), hangs]
    await client.order_status("ORD-1")
    clock.now += 3400
    renewing = asyncio.create_task(client.order_status("ORD-1"))
    await asyncio.sleep(0.05)
    clock.now += 8

    assert (await asyncio.wait_for(client.order_status("ORD-1"), 1)).pending
    release.set()
    await renewing

    assert bearers(stub) == [f"O-Bearer {TOKEN}", f"O-Bearer {TOKEN}", "O-Bearer next"]


@pytest.mark.parametrize("call", ["order_status", "create_payment"])
async def test_revoked_token_is_replaced_once_and_the_call_repeated_once(stub, client, call):
    pay = {"state": "PENDING", "orderId": "OMO1", "redirectUrl": "https://pay.example/x"}
    stub.says(answer(200, PENDING), answer(401, REFUSED), answer(200, PENDING | pay))
    await client.order_status("ORD-1")

    if call == "order_status":
        await client.order_status("ORD-1")
    else:
        await client.create_payment(PAYMENT)

    assert bearers(stub) == [f"O-Bearer {TOKEN}-1", f"O-Bearer {TOKEN}-1", f"O-Bearer {TOKEN}-2"]
    assert len(stub.token_calls) == 2


async def test_revoked_token_in_many_calls_at_once_is_replaced_once(stub, client):
    async def live(request):
        good = request.headers["Authorization"] != f"O-Bearer {TOKEN}-1"
        return answer(200, PENDING) if good else answer(401, REFUSED)

    stub.says(answer(200, PENDING), live)
    await client.order_status("ORD-1")

    results = await asyncio.gather(*(client.order_status(f"ORD-{n}") for n in range(200)))

    assert all(result.pending for result in results)
    assert len(stub.token_calls) == 2


async def test_late_401_does_not_drop_the_new_token(stub, client):
    late = asyncio.Event()

    async def old_token_is_refused(request):
        if request.headers["Authorization"] != f"O-Bearer {TOKEN}-1":
            return answer(200, PENDING)
        if "SLOW" in request.path:
            await late.wait()
        return answer(401, REFUSED)

    stub.says(old_token_is_refused)
    slow = asyncio.create_task(client.order_status("SLOW"))
    await asyncio.sleep(0.05)
    await client.order_status("ORD-1")

    late.set()
    await slow

    assert len(stub.token_calls) == 2


async def test_second_401_is_misconfigured_after_exactly_one_repeat(stub, client):
    stub.says(answer(401, REFUSED))

    with pytest.raises(Misconfigured) as caught:
        await client.create_payment(PAYMENT)

    assert caught.value.code == "AUTHORIZATION_FAILED"
    assert (len(stub.calls), len(stub.token_calls)) == (2, 2)


async def test_payment_refused_for_its_token_was_not_sent_when_no_new_token_comes(stub, client):
    stub.says(answer(401, REFUSED))
    stub.token_answers[:] = [token_answer(TOKEN), answer(503, b"")]

    with pytest.raises(Unavailable) as caught:
        await client.create_payment(PAYMENT)

    assert caught.value.sent is False


@pytest.mark.parametrize(
    ("reply", "error", "code"),
    [
        (answer(400, INVALID_CLIENT), Misconfigured, "OIM000"),
        (answer(401, {"code": "UNAUTHORIZED"}), Misconfigured, "UNAUTHORIZED"),
        (answer(400, {"message": "Bad Request - Api Mapping Not Found"}), Misconfigured, ""),
        (answer(404, {"code": "KEY_NOT_CONFIGURED"}), Misconfigured, "KEY_NOT_CONFIGURED"),
        (answer(400, {"errorCode": "PR000", "message": "Bad Request"}), Misconfigured, "PR000"),
        (answer(418, b"teapot"), Misconfigured, ""),
        (answer(429, b"", Retry_After="3"), RateLimited, ""),
        (answer(408, b""), Unavailable, ""),
        (answer(500, {"code": "INTERNAL_SERVER_ERROR"}), Unavailable, "INTERNAL_SERVER_ERROR"),
        (answer(503, b'"R999"'), Unavailable, ""),
        (answer(302, b""), Unavailable, ""),
        (answer(200, b"<html>"), Unavailable, ""),
        (answer(200, {}), Unavailable, ""),
        (answer(200, {"access_token": ""}), Unavailable, ""),
        (answer(200, {"access_token": None}), Unavailable, ""),
        (answer(200, {"access_token": "two words"}), Unavailable, ""),
        (answer(200, {"access_token": "line\r\nbreak"}), Unavailable, ""),
        (answer(200, {"access_token": "ूजा"}), Unavailable, ""),
    ],
    ids=lambda value: getattr(value, "status", None) and f"{value.status}",
)
async def test_token_that_does_not_come(stub, client, reply, error, code):
    stub.token_answers.append(reply)

    for call in (client.create_payment(PAYMENT), client.order_status("ORD-1"), client.check_credentials()):
        with pytest.raises(error) as caught:
            await call
        assert type(caught.value) is error
        assert caught.value.code == code
        assert SECRET not in f"{caught.value!r}{caught.value.body}"

    assert (stub.calls, len(stub.token_calls)) == ([], 3)


@pytest.mark.parametrize(
    ("reply", "is_of_address"),
    [
        (answer(400, {"message": "Bad Request - Api Mapping Not Found"}), True),
        (answer(404, {"code": "404", "message": "Api Mapping Not Found"}), True),
        (answer(404, b"<html>nginx</html>"), True),
        (answer(404, {"code": "KEY_NOT_CONFIGURED"}), False),
        (answer(400, INVALID_CLIENT), False),
        (answer(401, b""), False),
    ],
)
async def test_token_that_does_not_come_says_whether_the_address_is_wrong(stub, client, reply, is_of_address):
    stub.token_answers.append(reply)

    with pytest.raises(Misconfigured) as caught:
        await client.check_credentials()

    assert caught.value.is_of_address is is_of_address


@pytest.mark.parametrize(
    ("times", "calls"),
    [
        ({"expires_in": 3600}, 1),
        ({"issued_at": 1.5, "expires_at": "x", "expires_in": 3600}, 1),
        ({"issued_at": 10, "expires_at": 10**400}, 1),
        ({"issued_at": 10, "expires_at": 5}, 2),
        ({}, 2),
    ],
)
async def test_token_of_unsaid_lifetime_serves_its_call(stub, client, times, calls):
    stub.says(answer(200, PENDING))
    stub.token_answers.append(answer(200, {"access_token": TOKEN} | times))

    for _ in range(2):
        assert (await client.order_status("ORD-1")).pending

    assert len(stub.token_calls) == calls


async def test_check_credentials_asks_for_a_token(stub, client):
    await client.check_credentials()
    await client.check_credentials()

    assert len(stub.token_calls) == 2


async def test_check_credentials_brings_the_token_that_the_next_call_uses(stub, client):
    stub.says(answer(200, PENDING))

    await client.check_credentials()
    await client.order_status("ORD-1")

    assert len(stub.token_calls) == 1
