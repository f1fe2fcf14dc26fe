"""PhonePe's own test VPAs, cards and bank (§9), and what becomes of a payment by them."""

import re
from typing import Literal, NamedTuple

from phonepe_sandbox.entries import Failure

OTP = "123456"
BANK_USER = BANK_PASSWORD = "test"  # noqa: S105 - published by PhonePe
VPA = re.compile(r"[A-Za-z0-9._-]{2,256}@[A-Za-z][A-Za-z0-9]{1,63}")
TEST_VPAS = ("success@ybl", "failed@ybl", "pending@ybl")


class Card(NamedTuple):
    """One of the two cards that PhonePe's sandbox knows."""

    kind: str
    number: str
    expiries: tuple[str, ...]
    cvv: str

    @property
    def spaced(self) -> str:
        return " ".join(self.number[start : start + 4] for start in range(0, 16, 4))


CARDS = (
    Card("CREDIT_CARD", "4208585190116667", ("06/27",), "508"),
    Card("DEBIT_CARD", "4242424242424242", ("12/27", "12/23"), "936"),
)

INVALID_VPA = Failure("INVALID_VPA", "ZH", "CUSTOMER", "PRE_AUTHENTICATION", "There is no such UPI ID")
INVALID_CARD = Failure(
    "INVALID_CARD_NUMBER",
    "INVALID_CARD_NUMBER",
    "CUSTOMER",
    "PRE_AUTHENTICATION",
    "The card number is not one of PhonePe's test cards",
)
INVALID_CVV_EXPIRY = Failure(
    "INVALID_CVV_EXPIRY", "INVALID_CVV_EXPIRY", "CUSTOMER", "PRE_AUTHENTICATION", "Wrong CVV or expiry date"
)
NOT_AUTHENTICATED = Failure(
    "AUTHENTICATION_FAILED",
    "AUTHENTICATION_FAILED",
    "CUSTOMER",
    "AUTHENTICATION",
    "The bank did not accept the OTP or password",
)


def answer_to(vpa: str) -> Literal["success", "failure"] | None:
    """What the person behind a VPA will do; None: they never answer (§9)."""
    match vpa.strip().lower():
        case "success@ybl":
            return "success"
        case "failed@ybl":
            return "failure"
        case _:
            return None


def read_card(number: str, expiry: str, cvv: str) -> Card | Failure:
    """The test card that was typed in, or why it is refused. `06/27` and `06/2027` are the same."""
    digits = re.sub(r"[ -]", "", number)
    card = next((known for known in CARDS if known.number == digits), None)
    if card is None:
        return INVALID_CARD
    month, _, year = expiry.replace(" ", "").partition("/")
    if f"{month.zfill(2)}/{year[-2:]}" not in card.expiries or cvv.strip() != card.cvv:
        return INVALID_CVV_EXPIRY
    return card
