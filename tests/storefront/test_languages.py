"""Hindi and English: pages, refusals and mails, and that no text was forgotten."""

from __future__ import annotations

import gettext
import re
from datetime import date, time
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from django.core import mail
from django.core.management import call_command
from django.utils import translation
from django.utils.translation.template import templatize

from bookings import mails, notices
from bookings.models import Booking, Notice
from cart import payable
from cart.models import Slot
from catalog.models import Puja
from payments.models import PaymentOrder
from tests import make
from tests.bookings.deferred import run
from tests.cart import rows
from tests.payments.settling import settle

ROOT = Path(__file__).resolve().parents[2]
MESSAGES = ROOT / "locale" / "hi" / "LC_MESSAGES"
HINDI = {"HTTP_ACCEPT_LANGUAGE": "hi-IN,hi;q=0.9,en;q=0.8"}


def text_of(page) -> str:
    assert page.status_code == 200, page
    return page.content.decode()


def english_in(page_text: str) -> list[str]:
    """Words of Latin letters in a page's visible text, but for names and what is never translated."""
    visible = re.sub(r"<head>.*?</head>|<[^>]+>", " ", page_text, flags=re.DOTALL)
    kept = {"OkPuja", "PhonePe", "UPI", "UTR", "English", "BK", "OKP"}
    words = re.findall(r"[A-Za-z]{2,}", re.sub(r"\b(BK|OKP)-[0-9A-F-]+|\S+@\S+", "", visible))
    return [word for word in words if word not in kept]


# -- the catalogue of messages ------------------------------------------------------------


def test_every_message_is_translated_and_compiled():
    with (MESSAGES / "django.po").open("rb") as file:
        messages = [message for message in read_po(file, locale="hi") if message.id]
    with (MESSAGES / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)

    assert len(messages) > 150
    assert [m.id for m in messages if not m.string or m.fuzzy] == []
    assert {m.id: compiled.gettext(m.id) for m in messages} == {m.id: m.string for m in messages}


def test_every_text_of_the_templates_is_among_the_messages():
    with (MESSAGES / "django.po").open("rb") as file:
        known = {message.id for message in read_po(file, locale="hi")}
    found = set()
    for folder in ("storefront", "bookings"):
        for path in (ROOT / folder / "templates").rglob("*.*"):
            source = templatize(path.read_text(encoding="utf-8"), origin=str(path))
            found |= set(re.findall(r"gettext\(u?'((?:[^'\\]|\\.)*)'\)", source))

    texts = {text.replace("\\'", "'") for text in found}
    assert len(texts) > 60
    assert texts - known == set()


def test_placeholders_are_the_same_in_both_languages():
    with (MESSAGES / "django.po").open("rb") as file:
        pairs = [(message.id, message.string) for message in read_po(file, locale="hi") if message.id]

    def places(text: str) -> list[str]:
        return sorted(re.findall(r"%\(\w+\)s|<[^>]+>", text))

    assert [one for one, other in pairs if places(one) != places(other)] == []


# -- pages --------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/nothing/"])
def test_page_in_hindi_has_no_english_left(client, path):
    hindi, english = client.get(path, **HINDI), client.get(path)

    assert '<html lang="hi">' in hindi.content.decode()
    assert english_in(hindi.content.decode()) == []
    assert len(english_in(english.content.decode())) > 20


@pytest.mark.django_db
def test_sample_catalogue_in_hindi_has_no_english_left(client):
    call_command("seed_catalog", verbosity=0)
    pages = ["/", *(f"/puja/{puja.slug}/" for puja in Puja.objects.all())]

    left = {
        path: english_in(text_of(client.get(path, **HINDI)).replace("AM", "").replace("PM", ""))
        for path in pages
    }

    assert [(path, words) for path, words in left.items() if words] == []


@pytest.mark.django_db
def test_name_of_a_shops_own_puja_is_shown_as_it_is_and_harmless(client):
    package = rows.package(name="<b>Own</b>")
    Puja.objects.update(name="100% <i>Own</i>")

    text = text_of(client.get(f"/cart/{rows.cart(package=package).cart_id}/", **HINDI))

    assert "100% &lt;i&gt;Own&lt;/i&gt;" in text
    assert "&lt;b&gt;Own&lt;/b&gt;" in text


@pytest.mark.django_db
def test_full_times_in_hindi_have_no_english(client):
    package = rows.package(name="")
    Slot.objects.create(puja=package.puja, date=rows.coming_day(3), time=time(9), capacity=0)
    look = {"look": "times", "package": package.pk, "date": rows.coming_day(3).isoformat()}

    options = re.findall(r"<option.*?</option>", text_of(client.post("/puja/ganesh-puja/", look, **HINDI)))

    assert len(options) == 8
    assert english_in(" ".join(options).replace("AM", "").replace("PM", "")) == []
    assert "9:00 AM (बुक हो चुका)" in options[2]


@pytest.mark.django_db
@pytest.mark.parametrize(("language", "shown"), [({}, "Thu, 3 Dec 2099"), (HINDI, "गुरु, 3 दिसंबर 2099")])
def test_date_is_spelled_as_readers_spell_it(client, language, shown):
    cart = rows.cart(date=date(2099, 12, 3))

    assert shown in text_of(client.get(f"/cart/{cart.cart_id}/", **language))


@pytest.mark.django_db
def test_cart_page_in_hindi_keeps_rupees_and_the_indian_clock(client):
    cart = rows.cart(
        package=rows.package(price_paise=12345600, name="Package"), name="आशा", email="", address="दिल्ली"
    )

    text = text_of(client.get(f"/cart/{cart.cart_id}/", **HINDI))

    assert "₹1,23,456.00 का भुगतान करें" in text
    assert english_in(text.replace("AM", "")) == []


@pytest.mark.django_db
def test_sign_in_in_hindi_speaks_as_the_rest_of_the_shop_does(client):
    wrong = {"username": "asha", "password": "wrong"}

    text = text_of(client.post("/accounts/login/", wrong, **HINDI))

    assert "यूज़रनेम या पासवर्ड सही नहीं है।" in text
    assert re.findall(r"<label[^>]*>(.*?)</label>", text) == ["यूज़रनेम", "पासवर्ड"]


@pytest.mark.django_db
@pytest.mark.parametrize(("hour", "shown"), [(9, "9:30 AM"), (21, "9:30 PM")])
def test_page_in_hindi_tells_morning_from_evening(client, hour, shown):
    cart = rows.cart(time=time(hour, 30))

    assert shown in text_of(client.get(f"/cart/{cart.cart_id}/", **HINDI))


@pytest.mark.django_db
def test_form_in_hindi_explains_each_refusal_in_hindi(client):
    package = rows.package(name="Package", description="")
    package.puja.description = package.puja.summary = ""
    package.puja.save()
    bad = {
        "package": "",
        "date": "2020-01-01",
        "time": "03:07",
        "name": "",
        "email": "x",
        "phone": "1",
        "address": "x",
    }

    page = client.post("/puja/ganesh-puja/", bad, **HINDI)

    lists = re.findall(r'<ul class="errorlist".*?</ul>', page.content.decode(), flags=re.DOTALL)
    assert (page.status_code, len(lists)) == (422, 7)
    assert english_in(" ".join(lists)) == []


@pytest.mark.django_db
def test_refused_payment_is_explained_in_hindi(client):
    cart = rows.cart(date=rows.coming_day(-1))

    page = client.post(f"/cart/{cart.cart_id}/pay/", **HINDI)

    assert "चुना हुआ समय बीत चुका है। कृपया नया समय चुनें।" in page.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["PENDING", "FAILED", "COMPLETED"])
def test_result_page_in_hindi_has_no_english_left(client, state):
    order = _order_of(rows.cart(package=rows.package(name="Package")), language="hi")
    PaymentOrder.objects.filter(pk=order.pk).update(**_as_settled(state))
    for path in ("payment-pending", "payment-failed"):
        page = client.get(f"/{path}/{order.cart_id}", follow=True, **HINDI)
        assert english_in(page.content.decode().replace("AM", "")) == []


@pytest.mark.django_db
def test_switch_in_the_footer_changes_the_language_and_comes_back(client):
    before = text_of(client.get("/"))

    answer = client.post("/language/", {"language": "hi", "next": "/accounts/login/?next=/my-bookings/"})
    after = text_of(client.get("/"))

    assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/?next=/my-bookings/")
    assert ('<html lang="en-in">' in before, '<html lang="hi">' in after) == (True, True)
    assert "आपके घर पर पूजा" in after


@pytest.mark.django_db
def test_language_switch_does_not_lead_to_another_site(client):
    answer = client.post("/language/", {"language": "hi", "next": "https://evil.example/"})

    assert answer["Location"] == "/"


# -- mails --------------------------------------------------------------------------------


def _order_of(cart, *, language: str) -> PaymentOrder:
    with translation.override(language):
        wanted = payable.payable(cart)
    return make.order(cart_id=wanted.reference, snapshot=dict(wanted.snapshot))


def _as_settled(state: str) -> dict[str, object]:
    if state == "FAILED":
        return {"status": "FAILED"}
    if state == "COMPLETED":
        return {"attention": "amount_mismatch", "gateway_state": "COMPLETED"}
    return {}


@pytest.mark.django_db(transaction=True)
def test_mails_come_in_the_language_that_the_customer_ordered_in():
    order = _order_of(rows.cart(), language="hi")

    settle(order, make.answer("COMPLETED"))
    mails.send_confirmation(Booking.objects.get().booking_id)

    [sent] = mail.outbox
    [(_, calendar, _)] = sent.attachments
    assert "SUMMARY:गणेश पूजा (" in calendar
    assert sent.subject.startswith("बुकिंग हो गई: गणेश पूजा, ")
    assert "आपकी पूजा बुक हो गई है" in sent.body
    assert sent.body.startswith("नमस्ते Asha Rao जी,")
    assert '<html lang="hi">' in sent.alternatives[0][0]


@pytest.mark.django_db(transaction=True)
def test_news_come_in_the_language_that_the_customer_ordered_in():
    settle(_order_of(rows.cart(), language="hi"), make.answer("FAILED"))

    run(notices.SEND)

    assert Notice.objects.get().sent_at is not None
    assert mail.outbox[0].subject == "बुकिंग नहीं हुई: गणेश पूजा का भुगतान पूरा नहीं हुआ"
