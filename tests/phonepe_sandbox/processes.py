"""The emulator as a process of its own, for what a restart or a browser has to show."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
CREDENTIALS = {
    "client_id": "SANDBOX_CLIENT",
    "client_secret": "sandbox-secret",
    "client_version": "1",
    "grant_type": "client_credentials",
}


class Emulator:
    """A running emulator and a merchant with a token."""

    def __init__(self, process, url):
        self.process = process
        self.url = url
        self._token = None

    def call(self, method, path, body=None, *, form=None, **headers):
        """Status and JSON (or text) of one request; redirects are not followed."""
        data = json.dumps(body).encode() if body is not None else None
        if form is not None:
            data = urllib.parse.urlencode(form).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        headers = {"Content-Type": "application/json"} | headers
        request = urllib.request.Request(self.url + path, method=method, data=data, headers=headers)
        try:
            answer = _plain.open(request, timeout=20)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            raw = answer.read().decode()
            return answer.status, json.loads(raw) if answer.headers.get_content_subtype() == "json" else raw

    def token(self):
        if self._token is None:
            _, body = self.call("POST", "/apis/pg-sandbox/v1/oauth/token", form=CREDENTIALS)
            self._token = body["access_token"]
        return self._token

    def api(self, method, path, body=None):
        return self.call(method, f"/apis/pg-sandbox{path}", body, Authorization=f"O-Bearer {self.token()}")

    def control(self, method, path, body=None):
        return self.call(method, f"/sandbox/api{path}", body)[1]

    def pay(self, merchant_order_id="ORD-1", amount=149_900, redirect_url="http://shop.test/back", **changes):
        flow = {"type": "PG_CHECKOUT", "merchantUrls": {"redirectUrl": redirect_url}}
        order = {"merchantOrderId": merchant_order_id, "amount": amount, "paymentFlow": flow}
        return self.api("POST", "/checkout/v2/pay", order | changes)[1]

    def status(self, merchant_order_id="ORD-1"):
        return self.api("GET", f"/checkout/v2/order/{merchant_order_id}/status?details=true")[1]

    def as_merchant_with(self, token):
        self._token = token
        return self


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args, **kwargs):
        return None


_plain = urllib.request.build_opener(_NoRedirect)


def start(*argv, **env):
    """The process; it may end at once."""
    return subprocess.Popen(
        [sys.executable, "-m", "phonepe_sandbox", "--port", "0", *argv],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | env,
    )


@contextmanager
def emulator(*argv, **env):
    """A running emulator; it is killed at the end if it still lives."""
    with start(*argv, **env) as process:
        line = process.stdout.readline()
        assert "listening on" in line, process.stderr.read()
        try:
            yield Emulator(process, line.split()[-1])
        finally:
            process.kill()
