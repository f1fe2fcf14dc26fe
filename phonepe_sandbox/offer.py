"""What the pay page offers: `paymentModeConfig` in both of its generations (§3.2)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

ON_THE_ACCOUNT = ("UPI_QR", "UPI_INTENT", "UPI_COLLECT", "CARD", "NET_BANKING")
ON_REQUEST = (
    "CORPORATE_NET_BANKING",
    "EMI",
    "WALLET",
)  # offered when V2 names them: the SDK knows none (§11)
PAYMENT_MODES = (*ON_THE_ACCOUNT, *ON_REQUEST)
CARD_KINDS = ("CREDIT_CARD", "DEBIT_CARD")


@dataclass(frozen=True, slots=True)
class Offer:
    """Payment modes, kinds of card and banks that a customer may choose from."""

    modes: tuple[str, ...] = ON_THE_ACCOUNT
    cards: tuple[str, ...] = CARD_KINDS
    banks: tuple[str, ...] = ("SBIN",)  # PhonePe's test bank (§9)


EVERYTHING = Offer()


def read_offer(config: dict[str, Any] | None) -> Offer:
    """The offer of a paymentModeConfig that passed validation."""
    config = config or {}
    enabled, disabled = config.get("enabledPaymentModes"), config.get("disabledPaymentModes")
    if enabled:
        offer = Offer(modes=(), cards=())
        for entry in enabled:
            offer = _joined(offer, _covered(entry))
        return replace(offer, modes=tuple(mode for mode in PAYMENT_MODES if mode in offer.modes))
    offer = EVERYTHING
    for entry in disabled or ():
        offer = _without(offer, entry, newer=config.get("version") == "V2")
    return offer


def _covered(entry: dict[str, Any]) -> Offer:
    """What one entry of either list names."""
    kind = entry["type"]
    if kind == "UPI":
        flows = entry.get("flows") or ("QR", "INTENT", "COLLECT")
        return Offer(modes=tuple(f"UPI_{flow}" for flow in flows), cards=())
    if kind == "CARD":
        return Offer(modes=("CARD",), cards=_card_kinds(entry))
    banks = tuple(entry.get("banks") or EVERYTHING.banks)
    return Offer(modes=(kind,), cards=(), banks=banks)


def _card_kinds(entry: dict[str, Any]) -> tuple[str, ...]:
    """V1 says `cardTypes`, V2 `types`; only `DEBIT` and `CREDIT` in them are told apart here."""
    named: Iterable[str] = entry.get("cardTypes") or entry.get("types") or CARD_KINDS
    return tuple(
        kind for kind in CARD_KINDS if any(kind.startswith(name.partition("_")[0]) for name in named)
    )


def _joined(one: Offer, other: Offer) -> Offer:
    return Offer(
        modes=one.modes + other.modes,
        cards=tuple(kind for kind in CARD_KINDS if kind in one.cards + other.cards),
        banks=other.banks if "NET_BANKING" in other.modes else one.banks,
    )


def _without(offer: Offer, entry: dict[str, Any], *, newer: bool) -> Offer:
    """V1: disabling CARD without cardTypes has no effect; V2: a bare type goes altogether."""
    if entry["type"] == "CARD":
        narrowed = entry.get("cardTypes") or entry.get("types")
        if not narrowed and (not newer or _narrows(entry)):
            return offer  # a network or a variant of cards is gone, not the cards
        left = tuple(kind for kind in offer.cards if kind not in _card_kinds(entry))
        gone = {"CARD"} if not left else set()
        return replace(offer, cards=left, modes=tuple(m for m in offer.modes if m not in gone))
    if entry["type"] == "NET_BANKING" and entry.get("banks"):
        left = tuple(bank for bank in offer.banks if bank not in entry["banks"])
        if left:
            return replace(offer, banks=left)
    if entry["type"] == "UPI" and not entry.get("flows") and _narrows(entry):
        return offer  # some app or instrument is gone, not the flow
    named = _covered(entry).modes
    return replace(offer, modes=tuple(mode for mode in offer.modes if mode not in named))


def _narrows(entry: dict[str, Any]) -> bool:
    return any(value for name, value in entry.items() if name != "type")
