"""What can go wrong, sorted by what the caller may do about it.

PhonePeError
├── InvalidRequest   refused here, before sending: mend the arguments
├── Misconfigured    credentials, hosts or rights: a person must act, repeating is useless
├── Rejected         understood and refused: repeating as it is is useless
│   ├── UnknownOrder     the gateway has no such order (now)
│   └── UnknownRefund    the gateway has no such refund (now)
├── RateLimited      ask again after a pause
├── Unavailable      no usable answer: ask again later
├── Malformed        a 2xx answer that makes no sense: ask again later, tell a person if it lasts
└── OutcomeUnknown   a payment or refund may or may not exist: ask for its status, do not repeat
"""

from typing import Final

from phonepe_pg.masking import masked

NO_SUCH_PATH: Final = "api mapping not found"


class PhonePeError(Exception):
    """Base of everything this package raises on purpose.

    `http_status` is the answer's status (None: there was no answer), `code` the gateway's own code
    (`errorCode or code`, §7.1) or "", `body` at most 2,000 characters of the answer with secrets masked,
    for the record. `sent` is False when the request certainly never left this machine or was turned
    away for its token, so nothing can have been created by it.
    """

    def __init__(
        self,
        message: str,
        *,
        http_status: int | None = None,
        code: str = "",
        body: str = "",
        sent: bool = True,
    ) -> None:
        super().__init__(masked(message))
        self.http_status = http_status
        self.code = code
        self.body = masked(body)
        self.sent = sent


class InvalidRequest(PhonePeError, ValueError):
    """An argument breaks a rule of the wire format; nothing was sent (`sent` is False)."""

    def __init__(self, message: str) -> None:
        super().__init__(message, sent=False)


class Misconfigured(PhonePeError):
    """Credentials, client version, hosts or rights are wrong: a person must act.

    Bad OAuth credentials, "Api Mapping Not Found", KEY_NOT_CONFIGURED, a bare 404, 403, and a 401 that
    came again with a fresh token (§2.4, §7.2). The request had no effect.
    """

    @property
    def is_of_address(self) -> bool:
        """Whether there is nothing at the address (a bare 404), or nothing for us (§2.4): path, host, environment."""
        return (self.http_status == 404 and not self.code) or NO_SUCH_PATH in self.body.lower()


class Rejected(PhonePeError):
    """Understood and refused (a 4xx): sending the same again is useless.

    A plain 400 BAD_REQUEST on a pay call is also how the gateway answers a merchant order id that it
    already has (§3.4). Whoever may have sent that id before must ask `order_status`.
    """


class UnknownOrder(Rejected):
    """The gateway knows no such order (§4.4). Shortly after a pay call this can be a race: no proof yet."""


class UnknownRefund(Rejected):
    """The gateway knows no such refund (§5.2). Shortly after a refund call this can be a race."""


class RateLimited(PhonePeError):
    """Too many requests (429). `retry_after` is the pause asked for in seconds, None when none was given."""

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        http_status: int | None = None,
        code: str = "",
        body: str = "",
        sent: bool = True,
    ) -> None:
        super().__init__(message, http_status=http_status, code=code, body=body, sent=sent)
        self.retry_after = retry_after


class Unavailable(PhonePeError):
    """No usable answer: network trouble, a time-out, 5xx, a redirect. Reads may be asked again later."""


class Malformed(PhonePeError):
    """A 2xx answer (or a webhook) that is no JSON object, lacks `state`, or whose amount is no integer."""


class OutcomeUnknown(PhonePeError):
    """The payment or refund may or may not exist at the gateway. Do not repeat the call.

    Raised by `create_payment` and `refund` only, once the request may have reached the gateway and no
    clear answer came back: time-out, reset, 5xx, 429, nonsense, or a refusal that looks like "this id is
    already used". Next, ask `order_status` or `refund_status` for the same id (§3.4, §5.2):

    - it is known: it exists; go by its state (the pay page's address is lost for good);
    - `UnknownOrder`: not created so far; continue with a *new* id and keep asking for the old one a while;
    - `UnknownRefund`: not created so far; repeat the refund with the *same* id, so that a first request
      arriving late collides instead of paying twice.

    `__cause__` is the underlying error (a RateLimited there has `retry_after`).
    """
