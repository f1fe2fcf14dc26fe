"""What a cart may say: one set of rules for the JSON API and for the form. Pure.

Each function returns the value in its stored form or raises ValueError with a sentence for the customer.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime, time, timedelta

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

YEAR = timedelta(days=365)
EMAIL_LENGTH = 254
NAME_LENGTH = (2, 100)
ADDRESS_LENGTH = (3, 500)
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def day(wanted: date, *, today: date) -> date:
    """A date from `today` (Asia/Kolkata) to a year ahead."""
    if wanted < today:
        raise ValueError("This date has passed. Choose today or a later day.")
    if wanted > today + YEAR:
        raise ValueError("This date is more than a year away. Choose an earlier one.")
    return wanted


def clock(text: str) -> time:
    """ "HH:MM" in Asia/Kolkata."""
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text.strip()):
        raise ValueError("Please enter the time as HH:MM, for example 09:30.")
    return time.fromisoformat(text.strip())


def moment(on: date, at: time, *, now: datetime) -> None:
    """A time that is still to come; `now` is naive Asia/Kolkata."""
    if datetime.combine(on, at) <= now:
        raise ValueError("This time has passed. Choose a later one.")


def phone(text: str) -> str:
    """An Indian mobile number as +91 and ten digits."""
    digits = re.sub(r"[\s().-]", "", text)
    match = re.fullmatch(r"(?:\+91|0091|91|0)?([6-9][0-9]{9})", digits, re.ASCII)
    if not match:
        raise ValueError("Please enter an Indian mobile number: ten digits (0 to 9), with or without +91.")
    return f"+91{match[1]}"


def email(text: str) -> str:
    """A mail address that the confirmation can be sent to."""
    text = text.strip()
    try:
        validate_email(text)
    except ValidationError:
        text = ""
    if not text or len(text) > EMAIL_LENGTH:
        raise ValueError("Please enter an email address such as asha@example.com.")
    return text


def name(text: str) -> str:
    """The customer's name on one line."""
    return _between(" ".join(_printable(text).split()), NAME_LENGTH, "The name")


def address(text: str) -> str:
    """Where the puja takes place; line breaks stay."""
    lines = (" ".join(line.split()) for line in _printable(text).splitlines())
    return _between("\n".join(line for line in lines if line), ADDRESS_LENGTH, "The address")


def _between(text: str, lengths: tuple[int, int], what: str) -> str:
    low, high = lengths
    if not low <= len(text) <= high:
        raise ValueError(f"{what} must have {low} to {high} characters.")
    return text


def _printable(text: str) -> str:
    """Without control characters, which PostgreSQL (NUL) and mail readers do not take, and without the marks
    that turn the writing round, which make one name look like another."""
    return "".join(
        c for c in text if c in "\r\n\t" or (unicodedata.category(c) not in ("Cc", "Cs") and c not in TURNING)
    )
