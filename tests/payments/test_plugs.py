"""What `check` says about `PAYMENTS`, before the engine calls what is named there."""

from __future__ import annotations

import pytest

from payments.plugs import plugs_are_what_they_should_be
from tests.payments import shop


@pytest.mark.parametrize(
    ("plugs", "identities"),
    [
        ({}, ["payments.E003"]),
        ({"FULFIL": ""}, ["payments.E003"]),
        ({"FULFIL": None}, ["payments.E003"]),
        (None, ["payments.E016"]),
        ([("FULFIL", "tests.payments.shop.delivers")], ["payments.E016"]),
        ({"FULFIL": shop.delivers}, ["payments.E016"]),
        ({"FULFIL": "tests.payments.shop.WRITTEN"}, ["payments.E017"]),
        ({"FULFIL": "tests.payments.shop_that_raises.delivers"}, ["payments.E004"]),
        ({"FULFIL": "tests.payments.shop.delivers"}, []),
        ({"FULFIL": "tests.payments.shop.nothing"}, ["payments.E004"]),
        ({"FULFIL": "nothing"}, ["payments.E004"]),
        ({"FULFIL": "tests.payments.shop.delivers", "PAYABLE": "no.such.module"}, ["payments.E004"]),
        ({"FULFIL": "tests.payments.shop.delivers", "FULFIL_MANY": "tests.payments.shop.delivers_many"}, []),
        ({"FULFIL": "tests.payments.shop.delivers", "FULFIL_MANY": "no.such.module"}, ["payments.E004"]),
        ({"FULFIL": "tests.payments.shop.delivers", "AUDIT": "no.such.module"}, ["payments.E004"]),
        (
            {"FULFIL": "tests.payments.shop.delivers", "AUDIT": "tests.payments.shop.delivers"},
            ["payments.E017"],
        ),
        ({"FULFIL": "tests.payments.shop.delivers", "AUDIT": "payments.audit.QUESTIONS"}, []),
        ({"FULFIL": "tests.payments.shop.delivers", "AUDIT": "payments.plugs.NUMBERS"}, ["payments.E017"]),
        ({"FULFIL": "tests.payments.shop.delivers", "WHOLE_AUDIT_AT": 3}, ["payments.E005"]),
        ({"FULFIL": "tests.payments.shop.delivers", 7: "x"}, ["payments.E015"]),
        ({"FULFIL": "tests.payments.shop.delivers", "UNFULFILLABLE": "keep"}, ["payments.E005"]),
        ({"FULFIL": "tests.payments.shop.delivers", "WHOLE_AUDIT_AT": "at night"}, ["payments.E005"]),
        ({"FULFIL": "tests.payments.shop.delivers", "WHOLE_AUDIT_AT": "04:15"}, []),
        ({"FULFIL": "tests.payments.shop.delivers", "WHOLE_AUDIT_AT": "04:15+05:30"}, ["payments.E005"]),
        ({"FULFIL": "tests.payments.shop.delivers", "UNFULFILLABLE": "hold"}, []),
        ({"FULFIL": "tests.payments.shop.delivers", "AFTER_WATCH": "refund"}, ["payments.E005"]),
        ({"FULFIL": "tests.payments.shop.delivers", "NOTIFY": "no.such.module"}, ["payments.E004"]),
        ({"FULFIL": "tests.payments.shop.delivers", "FULFILL": "x"}, ["payments.E015"]),
        ({"FULFIL": "tests.payments.shop.delivers", "CELERY_SWEEPS": 2, "KEEP_WEBHOOK_DAYS": 30}, []),
        ({"FULFIL": "tests.payments.shop.delivers", "CELERY_SWEEPS": 0}, ["payments.E005"]),
        ({"FULFIL": "tests.payments.shop.delivers", "KEEP_WEBHOOK_DAYS": "90"}, ["payments.E005"]),
        ({"FULFIL": "tests.payments.shop.delivers", "HOLD": "tests.payments.shop.holds"}, ["payments.E013"]),
    ],
)
def test_check_of_plugs_finds_what_the_engine_could_not_use(settings, plugs, identities):
    settings.PAYMENTS = plugs

    assert [message.id for message in plugs_are_what_they_should_be(None)] == identities


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (shop.delivers, "PAYMENTS['FULFIL'] must be a text, not function."),
        (
            "tests.payments.shop.WRITTEN",
            "PAYMENTS['FULFIL'] must name a function; tests.payments.shop.WRITTEN is of type str.",
        ),
        (
            "tests.payments.shop_that_raises.delivers",
            "PAYMENTS['FULFIL'] cannot be imported: its module raises KeyError: 'COURSES_KEY'",
        ),
    ],
)
def test_check_of_a_plug_says_what_is_wrong_with_it(settings, path, sentence):
    settings.PAYMENTS = {"FULFIL": path}

    assert [message.msg for message in plugs_are_what_they_should_be(None)] == [sentence]
