"""What the emulator is started with: arguments, with defaults from the environment."""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phonepe_sandbox.faults import BadRule, Faults
from phonepe_sandbox.settings import BadSetting, Settings
from phonepe_sandbox.tokens import Credentials

DESCRIPTION = """\
A pretend PhonePe Payment Gateway (v2, Standard Checkout) for development and tests. No real money.

It speaks the wire format of both environments at one port:
  sandbox     http://HOST:PORT/apis/pg-sandbox                (token, pay, status, refund)
  production  http://HOST:PORT/apis/identity-manager          (token)
              http://HOST:PORT/apis/pg                        (pay, status, refund)
"""
EPILOG = """\
Look at what was asked and answered:  http://HOST:PORT/sandbox/
Steer it with JSON under /sandbox/api/, for example:
  curl -d '{"outcome":"success"}'                             http://HOST:PORT/sandbox/api/orders/ORDER/outcome
  curl -d '{"on":"pay","kind":"stored_then_error","count":1}' http://HOST:PORT/sandbox/api/faults
  curl -d '{"advance":900}'                                   http://HOST:PORT/sandbox/api/clock
  curl -d '{"token_life":5,"max_rps":20}'                     http://HOST:PORT/sandbox/api/settings
The control API asks for no password: leave --host at 127.0.0.1 unless the network is yours.
State lives in memory and ends with the process, unless --state names a file for it. SIGTERM or
Ctrl-C ends it.
"""


@dataclass(frozen=True, slots=True)
class Config:
    """Start-up values; `settings` is what a reset returns to."""

    host: str = "127.0.0.1"
    port: int = 8900
    credentials: Credentials = field(
        default=Credentials(client_id="SANDBOX_CLIENT", client_secret="sandbox-secret", client_version="1")  # noqa: S106
    )
    settings: Settings = field(default_factory=Settings)
    seed: int = 1
    faults: tuple[Any, ...] | None = None  # rules as the control API takes them; None: nothing was said
    state: Path | None = None  # file that keeps the state across restarts
    said: frozenset[str] = frozenset()  # switches that were set by name: they win over a state file's


def read(argv: Sequence[str], env: Mapping[str, str] = os.environ) -> Config:
    """The configuration of a command line. Ends by SystemExit, as argparse does, on --help and mistakes."""
    parser = _parser(env)
    given = parser.parse_args(argv)
    try:
        said = _options(given) | _json(given.switches, "--switches", {})
        settings = Settings().changed(said)
        faults = tuple(_json(given.faults, "--faults", [])) if given.faults else None
        for rule in faults or ():
            Faults(given.seed).add(rule)
    except (BadSetting, BadRule) as error:
        parser.error(str(error))
    credentials = Credentials(given.client_id, given.client_secret, given.client_version)
    state = Path(given.state) if given.state else None
    return Config(given.host, given.port, credentials, settings, given.seed, faults, state, frozenset(said))


def _options(given: argparse.Namespace) -> dict[str, Any]:
    """The switches that have an option of their own, as far as it was used."""
    names = ("webhook_url", "webhook_username", "webhook_password", "token_life")
    said = {name: getattr(given, name) for name in names if getattr(given, name) is not None}
    return said | ({"webhook_url": None} if said.get("webhook_url") == "" else {})


def _json(text: str, option: str, kind: Any) -> Any:
    """The JSON value of an option; `kind` is the empty value of the type that is wanted."""
    try:
        value = json.loads(text) if text else kind
    except ValueError as error:
        raise BadSetting(f"{option} is not JSON: {error}") from error
    if not isinstance(value, type(kind)):
        raise BadSetting(f"{option} must be a JSON {'object' if kind == {} else 'list'}")
    return value


def _parser(env: Mapping[str, str]) -> argparse.ArgumentParser:
    usual = Config()
    parser = argparse.ArgumentParser(
        prog="phonepe_sandbox",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def option(name: str, variable: str, fallback: str | None, meaning: str) -> None:
        # An empty variable in a .env file means "not set".
        parser.add_argument(name, default=env.get(variable) or fallback, help=f"{meaning} (${variable})")

    parser.add_argument("--host", default=usual.host, help="address to listen on (default %(default)s)")
    parser.add_argument(
        "--port", type=_port, default=usual.port, help="0: any free one (default %(default)s)"
    )
    option("--client-id", "PHONEPE_CLIENT_ID", usual.credentials.client_id, "the merchant's id")
    option("--client-secret", "PHONEPE_CLIENT_SECRET", usual.credentials.client_secret, "its secret")
    option("--client-version", "PHONEPE_CLIENT_VERSION", usual.credentials.client_version, "its version")
    option("--webhook-url", "SANDBOX_WEBHOOK_URL", None, "where webhooks go; none: nothing is sent")
    option("--webhook-username", "PHONEPE_WEBHOOK_USERNAME", None, "webhook user")
    option("--webhook-password", "PHONEPE_WEBHOOK_PASSWORD", None, "its password")
    option("--switches", "SANDBOX_SETTINGS", "", "switches as JSON, for example '{\"max_rps\": 20}'")
    option(
        "--faults", "SANDBOX_FAULTS", "", 'fault rules as JSON, [{"on": "pay", "kind": "reset", "rate": 0.1}]'
    )
    option("--state", "SANDBOX_STATE", "", "file that keeps everything across restarts; none: memory")
    parser.add_argument(
        "--token-life",
        type=int,
        help=f"seconds an OAuth token lives (default {usual.settings.token_life})",
    )
    parser.add_argument("--seed", type=int, default=usual.seed, help="makes ids and chance faults repeat")
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("a port is 0 to 65535")
    return port
