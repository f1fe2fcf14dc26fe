"""What a cart may say."""

from datetime import date, datetime, time

import pytest

from cart import pricing, rules

TODAY = date(2026, 11, 24)


@pytest.mark.parametrize("wanted", [TODAY, date(2026, 11, 25), date(2027, 11, 24)])
def test_a_day_from_today_to_a_year_ahead_is_taken(wanted):
    assert rules.day(wanted, today=TODAY) == wanted


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (date(2026, 11, 23), "This date has passed. Choose today or a later day."),
        (date(2027, 11, 25), "This date is more than a year away. Choose an earlier one."),
    ],
)
def test_other_days_are_refused(wanted, why):
    with pytest.raises(ValueError) as refusal:
        rules.day(wanted, today=TODAY)

    assert str(refusal.value) == why


@pytest.mark.parametrize(
    ("text", "at"), [("00:00", time(0)), ("09:30", time(9, 30)), (" 23:59 ", time(23, 59))]
)
def test_a_time_is_hours_and_minutes(text, at):
    assert rules.clock(text) == at


@pytest.mark.parametrize("text", ["", "9:30", "24:00", "12:60", "09:30:00", "0930", "٠٩:٣٠", "9.30 am"])
def test_other_times_are_refused(text):
    with pytest.raises(ValueError, match="HH:MM"):
        rules.clock(text)


def test_a_moment_that_is_over_is_refused():
    with pytest.raises(ValueError, match="has passed"):
        rules.moment(TODAY, time(9), now=datetime(2026, 11, 24, 9, 0))

    rules.moment(TODAY, time(9), now=datetime(2026, 11, 24, 8, 59))


@pytest.mark.parametrize(
    "text", ["9876543210", "+91 98765 43210", "098765-43210", "91 9876543210", "0091 (98765) 43210"]
)
def test_an_indian_mobile_number_gets_one_form(text):
    assert rules.phone(text) == "+919876543210"


@pytest.mark.parametrize(
    "text", ["", "12345", "5876543210", "98765432101", "+1 9876543210", "९८७६५४३२१०", "98765abcde"]
)
def test_other_numbers_are_refused(text):
    with pytest.raises(ValueError, match="ten digits"):
        rules.phone(text)


@pytest.mark.parametrize("text", ["", "asha", "asha@", "a@b", "a b@example.com", f"{'a' * 250}@example.com"])
def test_what_is_no_mail_address_is_refused(text):
    with pytest.raises(ValueError, match="mail address"):
        rules.email(text)


def test_a_name_is_one_line_without_control_characters():
    assert rules.name("  Asha \x00\r\n Rao\t") == "Asha Rao"
    for text in ("", "A", "  A ", "x" * 101):
        with pytest.raises(ValueError, match="2 to 100"):
            rules.name(text)


def test_an_address_keeps_its_lines():
    assert rules.address("12  Temple Road\r\n\r\n Bengaluru\x00 ") == "12 Temple Road\nBengaluru"
    for text in ("", "no", "x" * 501):
        with pytest.raises(ValueError, match="3 to 500"):
            rules.address(text)


def test_the_total_follows_the_package_until_it_is_paid():
    assert pricing.total(149900) == 149900
    assert pricing.total(199900, paid_paise=149900) == 149900


def test_marks_that_turn_the_writing_round_are_dropped_and_joiners_stay():
    assert rules.name("Asha\u202e Rao") == "Asha Rao"
    assert rules.name("क्\u200dष Rao") == "क्\u200dष Rao"
