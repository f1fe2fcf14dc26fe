"""Secrets stay out of reprs, errors and logs."""

import logging
import time
import traceback
from urllib.parse import quote_plus

import pytest

from phonepe_pg import Hosts, PhonePeError, read_webhook, wire
from phonepe_pg.answers import Answer
from phonepe_pg.masking import masked
from tests.phonepe_pg.stub_gateway import (
    CREDENTIALS,
    PAY_PAGE,
    PAYMENT,
    SECRET,
    TOKEN,
    RawServer,
    answer,
    token_answer,
)

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
SECRET_IN_JSON = SECRET.replace("/", "\\/")
ECHOED = (SECRET_IN_JSON, SECRET, quote_plus(SECRET), JWT, PAY_PAGE)
PRIVATE = (*ECHOED, TOKEN, "eyJ")


def holds_nothing_private(text):
    return not [secret for secret in PRIVATE if secret in text]


def everything_about(error):
    texts = ["".join(traceback.format_exception(error))]
    while error is not None:
        texts += [str(error), repr(error), repr(vars(error))]
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


async def test_results_do_not_show_the_pay_page(stub, client):
    stub.says(answer(200, {"orderId": "OMO1", "state": "PENDING", "redirectUrl": PAY_PAGE}))

    created = await client.create_payment(PAYMENT)

    assert holds_nothing_private(f"{created!r}{created}{created.raw}{client!r}{CREDENTIALS!r}")
    assert created.redirect_url == PAY_PAGE


def test_requests_answers_and_tokens_show_nothing():
    request = wire.token(CREDENTIALS)
    reply = Answer(http_status=200, body=TOKEN.encode(), headers={"X": JWT}, secrets=(SECRET,))

    assert holds_nothing_private(f"{request!r}{reply!r}{wire.Token(TOKEN, 1.0)!r}")
    assert "udf" not in repr(read_webhook(b'{"payload":{"metaInfo":{"udf1":"x"}}}'))


@pytest.mark.parametrize("status", [200, 400, 401, 404, 417, 429, 500])
@pytest.mark.parametrize("where", ["token", "pay"])
async def test_errors_mask_what_the_gateway_echoes(stub, client, caplog, status, where):
    caplog.set_level(logging.DEBUG)
    echo = {
        "code": f"X{SECRET}",
        "message": " ".join([*ECHOED, f"O-Bearer {TOKEN}-1 access_token={TOKEN}"]),
        "access_token": f"\n{TOKEN}",
        "context": {"refresh_token": TOKEN, "redirectUrl": PAY_PAGE, "Authorization": f"O-Bearer {TOKEN}"},
    }
    (stub.token_answers if where == "token" else stub.answers).append(answer(status, echo))

    with pytest.raises(PhonePeError) as caught:
        await client.create_payment(PAYMENT)

    assert holds_nothing_private(everything_about(caught.value))
    assert holds_nothing_private(caplog.text)


async def test_secret_cut_by_the_length_limit_is_masked_all_the_same(stub, client):
    stub.says(answer(500, b"x" * 1_990 + f'{{"access_token":"{TOKEN}'.encode() + b"y" * 9_000))

    with pytest.raises(PhonePeError) as caught:
        await client.order_status("ORD-1")

    assert TOKEN[:6] not in caught.value.body
    assert len(caught.value.body) <= 2_000


@pytest.mark.parametrize("reply", [b"garbage\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
async def test_broken_http_does_not_show_the_request(stub, make_client, reply):
    stub.token_answers.append(token_answer(JWT))
    async with RawServer(reply) as server:
        client = make_client(hosts=Hosts(pg=server.base, oauth=stub.base))

        with pytest.raises(PhonePeError) as caught:
            await client.create_payment(PAYMENT)

    assert holds_nothing_private(everything_about(caught.value))


@pytest.mark.parametrize(
    "text",
    [
        f'{{"access_token":"{TOKEN}"}}',
        f'{{"encrypted_access_token" : "{TOKEN}',
        f'"{{\\"access_token\\":\\"{TOKEN}\\"}}"',
        f"token={TOKEN}&x=1",
        f"authorization: o-bearer {TOKEN}",
        f"{{'client_secret': '{TOKEN}'}}",
        JWT,
    ],
)
def test_tokens_are_masked_wherever_they_stand(text):
    assert holds_nothing_private(masked(text))
    assert "***" in masked(text)


@pytest.mark.parametrize("text", ["eyJ" * 400_000, '"token' * 200_000, "\\" * 1_000_000, "Bearer " * 100_000])
def test_masking_hostile_text_is_quick(text):
    started = time.perf_counter()
    assert len(masked(text)) <= 2_000
    assert time.perf_counter() - started < 0.5
