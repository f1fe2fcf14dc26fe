"""The token call and what a token opens (§2)."""

import pytest

NOW_S = 1_800_000_000
REFUSED = {
    "success": False,
    "code": "AUTHORIZATION_FAILED",
    "message": "Authorization failed [message = Please check the authorization token and try again]",
    "data": {},
}


@pytest.mark.parametrize("path", ["/apis/pg-sandbox/v1/oauth/token", "/apis/identity-manager/v1/oauth/token"])
async def test_token_when_credentials_are_right_then_times_are_in_seconds(merchant, path):
    reply = await merchant.token(path)

    token = reply.body.pop("access_token")
    assert reply.status == 200
    assert len(token.split(".")) == 3
    assert reply.body == {
        "encrypted_access_token": token,
        "expires_in": 3600,
        "issued_at": NOW_S,
        "expires_at": NOW_S + 3600,
        "session_expires_at": NOW_S + 3600,
        "token_type": "O-Bearer",
    }


@pytest.mark.parametrize("wrong", [{"client_id": "x"}, {"client_secret": "x"}, {"client_version": "2"}])
async def test_token_when_credentials_are_wrong_then_invalid_client(merchant, wrong):
    reply = await merchant.token(**wrong)

    tracking = reply.body["message"].removeprefix("Bad Request: Invalid Client, trackingId: ")
    assert (reply.status, len(tracking)) == (400, 5)
    assert reply.body == {
        "code": "INVALID_CLIENT",
        "errorCode": "OIM000",
        "message": f"Bad Request: Invalid Client, trackingId: {tracking}",
        "context": {"error_description": "Client authentication failure"},
    }


async def test_token_when_the_401_switch_is_on_then_bad_credentials_get_401(merchant):
    await merchant.switch(bad_client_status=401)

    reply = await merchant.token(client_secret="x")

    assert (reply.status, reply.body["code"]) == (401, "INVALID_CLIENT")


@pytest.mark.parametrize("wrong", [{"grant_type": "password"}, {"grant_type": ""}, {"client_id": ""}])
async def test_token_when_a_field_is_malformed_then_the_gateway_refuses(merchant, wrong):
    reply = await merchant.token(**wrong)

    assert (reply.status, reply.body) == (400, {"errorCode": "PR000", "message": "Bad Request"})


async def test_token_when_a_field_is_missing_then_the_gateway_refuses(merchant):
    reply = await merchant.call(
        "POST", "/apis/pg-sandbox/v1/oauth/token", data={"client_id": "SANDBOX_CLIENT"}
    )

    assert (reply.status, reply.body) == (400, {"errorCode": "PR000", "message": "Bad Request"})


async def test_token_when_sent_as_json_then_not_mapped(merchant):
    reply = await merchant.call("POST", "/apis/pg-sandbox/v1/oauth/token", json={"client_id": "x"})

    assert (reply.status, reply.body) == (400, {"message": "Bad Request - Api Mapping Not Found"})


@pytest.mark.parametrize(
    "header", [None, "", "O-Bearer", "O-Bearer nonsense", "Bearer {token}", "o-bearer {token}"]
)
async def test_call_when_the_authorization_is_not_a_live_o_bearer_then_401(merchant, header):
    token = (await merchant.token()).body["access_token"]
    headers = {} if header is None else {"Authorization": header.format(token=token)}

    reply = await merchant.call("GET", "/apis/pg-sandbox/checkout/v2/order/ORD-1/status", headers=headers)

    assert (reply.status, reply.body) == (401, REFUSED)


@pytest.mark.parametrize(
    ("oauth", "pg", "status"),
    [
        ("/apis/pg-sandbox", "/apis/pg-sandbox", 200),
        ("/apis/identity-manager", "/apis/pg", 200),
        ("/apis/pg-sandbox", "/apis/pg", 401),
        ("/apis/identity-manager", "/apis/pg-sandbox", 401),
    ],
)
async def test_call_with_a_token_of_the_other_environment_then_401(merchant, oauth, pg, status):
    await merchant.pay()
    token = (await merchant.token(f"{oauth}/v1/oauth/token")).body["access_token"]

    reply = await merchant.call(
        "GET", f"{pg}/checkout/v2/order/ORD-1/status", headers={"Authorization": f"O-Bearer {token}"}
    )

    assert reply.status == status


async def test_call_when_the_token_is_expired_then_401_and_a_new_one_works(merchant):
    await merchant.switch(token_life=10)
    await merchant.pay()
    await merchant.advance(9)
    before = await merchant.status()
    await merchant.advance(1)

    after = await merchant.status()

    merchant.authorization = None
    assert [before.status, after.status, (await merchant.status()).status] == [200, 401, 200]
    assert after.body == REFUSED


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/apis/pg-sandbox/checkout/v2/pay"),
        ("POST", "/apis/pg/v1/oauth/token"),
        ("POST", "/apis/identity-manager/checkout/v2/pay"),
        ("POST", "/apis/pg-sandbox/checkout/v2/order/ORD-1/status"),
        ("GET", "/apis/pgsandbox/checkout/v2/order/ORD-1/status"),
        ("GET", "/apis/pg-sandbox/checkout/v2/order/ORD-1/status/"),
    ],
)
async def test_any_other_path_or_method_is_not_mapped(merchant, method, path):
    reply = await merchant.call(method, path)

    assert (reply.status, reply.body) == (400, {"message": "Bad Request - Api Mapping Not Found"})
