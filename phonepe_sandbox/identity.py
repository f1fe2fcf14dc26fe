"""Ids and tokens that look like PhonePe's (§2.2, §3.3)."""

import base64
import hashlib
import hmac
import json
import secrets
from datetime import UTC, datetime, timedelta, timezone
from random import Random

IST = timezone(timedelta(hours=5, minutes=30))


class Mint:
    """Makes ids from a seeded chance and tokens that nobody can guess."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._key = secrets.token_bytes(32)

    def reference(self, prefix: str, at_ms: int) -> str:
        """`OMO`, `OM` or `OMR` + yyMMddHHmmss in IST + ten digits."""
        stamp = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(IST).strftime("%y%m%d%H%M%S")
        return f"{prefix}{stamp}{self.digits(10)}"

    def digits(self, count: int) -> str:
        return f"{self._chance.randrange(10**count):0{count}d}"

    def upi_transaction_id(self) -> str:
        return f"YBL{self._chance.getrandbits(128):032x}"

    def token(self, claims: dict[str, object]) -> str:
        """A JWT in form; its signature is what makes it unguessable."""
        head = _part(b'{"alg":"HS256","typ":"JWT"}')
        salted = {**claims, "jti": secrets.token_hex(8)}
        signed = f"{head}.{_part(json.dumps(salted, separators=(',', ':')).encode())}"
        return f"{signed}.{_part(hmac.digest(self._key, signed.encode(), hashlib.sha256))}"


def _part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
