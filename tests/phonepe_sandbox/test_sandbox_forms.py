"""The integrator's forms and the log as curl commands: all without a line of script."""

import html as markup
import json
import re
import subprocess

import pytest


async def fill_in(merchant, path, **fields):
    return await merchant.call("POST", f"/sandbox/{path}", data=fields)


async def rules(merchant):
    return (await merchant.control("GET", "/faults")).body["faults"]


async def test_fault_form_then_the_rule_is_in_force_and_shown(merchant):
    reply = await fill_in(
        merchant,
        "faults",
        on="status",
        kind="server_error",
        parameters="status=503 body=html",
        merchantOrderId="42",
        count="2",
        rate="0.5",
        oneIn="3",
    )

    [rule] = await rules(merchant)
    page = (await merchant.call("GET", "/sandbox/")).body
    assert (reply.status, reply.headers["Location"]) == (303, "/sandbox/#faults")
    assert rule == {
        "id": 1,
        "on": "status",
        "kind": "server_error",
        "merchantOrderId": "42",
        "count": 2,
        "rate": 0.5,
        "oneIn": 3,
        "struck": 0,
        "status": 503,
        "body": "html",
    }
    assert ("chance 0.5, one in 3, 2 more" in page, 'name="remove" value="1"' in page) == (True, True)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"on": "pay", "kind": "latency"}, "seconds is missing"),
        ({"on": "pay", "kind": "lost"}, "kind must be one of"),
        ({"on": "pay", "kind": "reset", "count": "many"}, "count must be"),
        ({"on": "pay", "kind": "reset", "parameters": "seconds"}, "is not name=value"),
        ({"on": "pay", "kind": "reset", "parameters": "on=status"}, "is not name=value"),
        ({}, "on must be one of"),
    ],
)
async def test_fault_form_when_wrong_then_it_says_why_and_keeps_what_was_typed(merchant, fields, told):
    reply = await fill_in(merchant, "faults", merchantOrderId="KEPT", **fields)

    assert (reply.status, told in markup.unescape(reply.body), 'value="KEPT"' in reply.body) == (
        400,
        True,
        True,
    )
    assert await rules(merchant) == []


async def test_fault_form_removes_one_and_all(merchant):
    for _ in range(3):
        await merchant.fault("pay", "reset")

    await fill_in(merchant, "faults", remove="2")
    left = [rule["id"] for rule in await rules(merchant)]
    await fill_in(merchant, "faults", clear="all")

    assert (left, await rules(merchant)) == ([1, 3], [])


async def test_settings_form_shows_every_switch_and_saved_as_it_is_changes_nothing(merchant):
    page = (await merchant.call("GET", "/sandbox/settings")).body
    before = (await merchant.control("GET", "/settings")).body
    selects = dict(re.findall(r'<select name="(\w+)">.*?<option selected>([^<]*)<', page))
    inputs = dict(re.findall(r'<input name="(\w+)" value="([^"]*)"', page))

    reply = await fill_in(
        merchant, "settings", **{k: markup.unescape(v) for k, v in (selects | inputs).items()}
    )

    assert {*selects, *inputs, "webhook_password", "webhook_hmac_secret"} == set(before)
    assert (reply.status, (await merchant.control("GET", "/settings")).body) == (303, before)


async def test_settings_form_then_switches_are_set(merchant):
    await fill_in(
        merchant,
        "settings",
        unknown_status="404",
        honour_expire_after="False",
        max_rps="",
        webhook_url="http://shop.test/hook",
        merchant_name="99",
        token_life="60",
        webhook_password="",
    )

    now = (await merchant.control("GET", "/settings")).body
    assert [now[name] for name in ("unknown_status", "honour_expire_after", "max_rps", "webhook_url")] == [
        404,
        False,
        None,
        "http://shop.test/hook",
    ]
    assert [now[name] for name in ("merchant_name", "token_life")] == ["99", 60]


async def test_settings_form_when_wrong_then_400_and_nothing_changes(merchant):
    reply = await fill_in(merchant, "settings", token_life="0", udf_count="5")

    now = (await merchant.control("GET", "/settings")).body
    assert (reply.status, "token_life must be" in reply.body, now["udf_count"]) == (400, True, 15)


@pytest.mark.parametrize(("step", "status", "offset"), [("900", 303, 900), ("-1", 400, 0), ("soon", 400, 0)])
async def test_clock_form_moves_forward_only(merchant, step, status, offset):
    reply = await fill_in(merchant, "clock", advance=step)

    assert (reply.status, (await merchant.control("GET", "/clock")).body["offset"]) == (status, offset)


@pytest.mark.parametrize("path", ["faults", "settings", "clock"])
async def test_form_from_a_foreign_page_then_403_and_nothing_changes(merchant, path):
    fields = {"on": "pay", "kind": "reset", "token_life": "5", "advance": "5"}
    foreign = {"Origin": "http://evil.test"}

    reply = await merchant.call("POST", f"/sandbox/{path}", data=fields, headers=foreign)

    assert (reply.status, await rules(merchant)) == (403, [])


# -- copy as curl -------------------------------------------------------------------------


def commands(page):
    found = re.findall(r'class="curl">.*?<pre>(.*?)</pre>', page, re.DOTALL)
    return [markup.unescape(command) for command in found]


async def test_requests_page_shows_every_call_even_a_wrong_path_with_secrets_masked(merchant):
    await merchant.pay()
    await merchant.call("POST", "/apis/pg-sandbox/pg/v1/pay", json={"client_secret": "sandbox-secret"})
    await merchant.call("GET", "/favicon.ico")

    page = (await merchant.call("GET", "/sandbox/requests")).body

    token = merchant.authorization.removeprefix("O-Bearer ")
    paths = re.findall(r"<b>(\w+ [^<]*)</b>", page)
    assert paths == [
        "POST /apis/pg-sandbox/pg/v1/pay",
        "POST /apis/pg-sandbox/checkout/v2/pay",
        "POST /apis/pg-sandbox/v1/oauth/token",
    ]
    assert ("sandbox-secret" in page, token in page) == (False, False)


async def test_curl_of_the_log_then_a_shell_repeats_the_call(merchant):
    """The commands are run by a shell, with the masked secrets in its environment."""
    evil = 'it\'s $(touch /tmp/no) `x` "quoted" \\ ₹'
    await merchant.pay(metaInfo={"udf1": evil})
    page = (await merchant.call("GET", "/sandbox/requests")).body
    pay, token = commands(page)
    secrets = {"CLIENT_SECRET": "sandbox-secret", "PATH": "/usr/bin:/bin"}

    shell = 'curl() { printf "%s\\0" "$@"; }\n'  # no network: what curl would be given
    given = [
        subprocess.run(
            ["bash", "-c", shell + command], capture_output=True, text=True, env=secrets | {"TOKEN": "T"}
        ).stdout.split("\0")
        for command in (pay, token)
    ]

    body = {"merchantOrderId": "ORD-1", "amount": 149_900}
    sent = given[0][given[0].index("--data-raw") + 1]
    async with merchant.http.post(
        given[0][3],
        data=sent,
        headers={"Authorization": merchant.authorization, "Content-Type": "application/json"},
    ) as again:
        refused = (again.status, again.headers["X-Sandbox-Reason"])
    assert given[0][:4] == ["-i", "-X", "POST", f"{merchant.url}/apis/pg-sandbox/checkout/v2/pay"]
    assert ("Authorization: O-Bearer T" in given[0], body.items() <= json.loads(sent).items()) == (True, True)
    assert refused == (400, "merchantOrderId was used before")
    assert "client_secret=sandbox-secret" in given[1][given[1].index("--data-raw") + 1]


async def test_order_page_gives_each_call_as_curl(merchant):
    await merchant.pay()
    await merchant.status()

    page = (await merchant.call("GET", "/sandbox/orders/ORD-1")).body

    pay, status = commands(page)
    assert "--data-raw" in pay
    assert status.splitlines() == [
        f"curl -i -X GET {merchant.url}/apis/pg-sandbox/checkout/v2/order/ORD-1/status \\",
        '  -H "Authorization: O-Bearer $TOKEN"',
    ]
