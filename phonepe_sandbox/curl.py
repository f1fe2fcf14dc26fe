"""A logged call as a curl command: with the secrets masked, as the log has it."""

import shlex

from phonepe_sandbox.journal import KEPT_BODY, Exchange


def as_curl(exchange: Exchange, origin: str) -> str:
    """A command for a shell; the token is to be put in for `$TOKEN`, the secret for `$CLIENT_SECRET`."""
    parts = [f"curl -i -X {shlex.quote(exchange.method)} {shlex.quote(origin + exchange.path)}"]
    if exchange.kind != "token":
        parts.append('-H "Authorization: O-Bearer $TOKEN"')
    if exchange.content_type:
        parts.append(f"-H {shlex.quote('Content-Type: ' + exchange.content_type)}")
    if exchange.request:
        body = exchange.request.decode("utf-8", "replace")
        parts.append(f"--data-raw {_data(body)}")
    command = " \\\n  ".join(parts)
    if len(exchange.request) >= KEPT_BODY:
        return f"# the log keeps the first {KEPT_BODY} bytes of a body only\n{command}"
    return command


def _data(body: str) -> str:
    """The body in quotes, with a shell variable in the place of a masked secret."""
    head, masked, tail = body.partition("client_secret=********")
    if not masked:
        return shlex.quote(body)
    return f'{shlex.quote(head + "client_secret=")}"$CLIENT_SECRET"{shlex.quote(tail)}'
