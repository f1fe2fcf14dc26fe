"""Keep secrets out of what is recorded: error messages and the bodies kept beside them."""

import json
import re
from urllib.parse import quote, quote_plus

MASK = "***"
KEPT_CHARACTERS = 2_000

# Masking shortens the text, so more than is kept must be looked at; the bound keeps hostile bodies cheap.
_LOOKED_AT = 4 * KEPT_CHARACTERS
_NAMES = r"(?:encrypted_|refresh_)?(?:access_)?token|client_secret|authorization|redirectUrl"
# No closing quote is asked for: a body cut in the middle of a token must be masked too.
_PATTERNS = (
    re.compile(rf"""(["'](?:{_NAMES})\\*["']\s*:\s*\\*["'])(?:\\.|[^"'\\])*""", re.IGNORECASE),
    re.compile(rf"""((?:{_NAMES})=)[^&\s"'<>]+""", re.IGNORECASE),
    re.compile(r"""(Bearer\s+)[^\s"'<>]+""", re.IGNORECASE),
    re.compile(r"()eyJ[\w-]{5,}[\w.-]*"),  # a JSON web token, wherever it stands
)


def masked(text: str, *, secrets: tuple[str, ...] = ()) -> str:
    """Return at most 2,000 characters of `text` with `secrets`, tokens and pay-page links as `***`."""
    for secret in filter(None, secrets):
        text = text.replace(secret, MASK)
    text = text[:_LOOKED_AT]
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return text[:KEPT_CHARACTERS]


def forms_of(secret: str) -> tuple[str, ...]:
    """The spellings in which `secret` may come back in a form, a URL or JSON, to be given to `masked`."""
    spelled = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
    spelled |= {secret.replace("/", "\\/")}
    return tuple(sorted(spelled, key=len, reverse=True))
