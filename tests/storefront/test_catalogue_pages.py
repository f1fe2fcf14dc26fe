"""From the catalogue to a cart, as a browser does it."""

import re
from datetime import time

import pytest

from cart import payable, slots
from cart.models import Cart
from tests.cart import rows

pytestmark = pytest.mark.django_db


def form(package, **fields):
    return rows.body(package=package.pk, time="09:00") | fields


def test_the_catalogue_shows_each_puja_with_its_lowest_price(client):
    rows.package(price_paise=299900)
    rows.package(price_paise=14990000)
    rows.package(price_paise=100, is_active=False)

    page = client.get("/")

    assert page.status_code == 200
    assert [(puja.name, puja.from_paise) for puja in page.context["pujas"]] == [("Ganesh Puja", 299900)]
    assert "from <strong>₹2,999.00</strong>" in page.content.decode()


def test_an_empty_catalogue_says_so(client):
    assert "Nothing can be booked at the moment." in client.get("/").content.decode()


def test_pages_load_nothing_from_elsewhere_and_carry_no_inline_code(client):
    package = rows.package()
    text = client.get(f"/puja/{package.puja.slug}/").content.decode()

    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text
    for inline in ("<style", "style=", "onclick", "<script>"):
        assert inline not in text


def test_a_puja_page_offers_its_packages_cheapest_first(client):
    dear, cheap = rows.package(price_paise=12345600), rows.package(price_paise=149900)
    rows.package(name="Hidden", is_active=False)

    page = client.get("/puja/ganesh-puja/")

    text = page.content.decode()
    assert page.status_code == 200
    assert [int(radio.data["value"].value) for radio in page.context["form"]["package"]] == [
        cheap.pk,
        dear.pk,
    ]
    assert "₹1,23,456.00" in text
    assert "Hidden" not in text


def test_an_unknown_puja_is_a_friendly_404(client):
    page = client.get("/puja/nothing/")

    assert page.status_code == 404
    assert "We cannot find that page" in page.content.decode()


def test_a_good_form_becomes_a_cart(client):
    package = rows.package()

    answer = client.post("/puja/ganesh-puja/", form(package))

    cart = Cart.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"/cart/{cart.cart_id}/")
    assert (cart.package, cart.phone, cart.date, cart.owner) == (
        package,
        "+919876543210",
        rows.coming_day(),
        None,
    )


def test_a_signed_in_customers_cart_is_theirs(client):
    asha = rows.customer()
    client.force_login(asha)
    page = client.get(f"/puja/{rows.package().puja.slug}/")
    assert page.context["form"]["email"].value() == "asha@example.com"

    client.post("/puja/ganesh-puja/", form(rows.package()))

    assert Cart.objects.get().owner == asha


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("package", "", "Choose a package."),
        ("package", "999999", "This package is not offered any more."),
        ("date", "", "Choose a date."),
        ("date", "soon", "Please enter the date as YYYY-MM-DD."),
        ("date", "2020-01-01", "This date has passed. Choose today or a later day."),
        ("time", "03:07", "Choose one of the times."),
        ("name", " ", "Please enter your name."),
        ("email", "asha", "Please enter an email address such as asha@example.com."),
        ("phone", "12345", "Please enter an Indian mobile number: ten digits (0 to 9), with or without +91."),
        ("address", "no", "The address must have 3 to 500 characters."),
    ],
)
def test_a_bad_field_is_explained_beside_it_and_nothing_is_stored(client, field, value, message):
    package = rows.package()

    page = client.post("/puja/ganesh-puja/", form(package) | {field: value})

    assert page.status_code == 422
    assert page.context["form"].errors == {field: [message]}
    assert message in page.content.decode()
    assert "Nothing has been ordered yet." in page.content.decode()
    assert Cart.objects.count() == 0


def test_another_pujas_package_is_refused(client):
    rows.package()
    package = rows.package()
    package.puja_id = _another_puja().pk
    package.save()

    page = client.post("/puja/ganesh-puja/", form(package))

    assert page.context["form"].errors == {"package": ["This package is not offered any more."]}
    assert Cart.objects.count() == 0


def test_coming_back_from_a_cart_keeps_what_was_typed(client):
    cart = rows.cart()

    page = client.get(f"/puja/ganesh-puja/?cart={cart.cart_id}")

    typed = page.context["form"]
    assert (typed["name"].value(), typed["date"].value(), typed["package"].value()) == (
        "Asha Rao",
        cart.date,
        cart.package_id,
    )


def test_a_foreign_cart_fills_in_nothing(client):
    cart = rows.cart(owner=rows.customer())

    page = client.get(f"/puja/ganesh-puja/?cart={cart.cart_id}")

    assert "Asha Rao" not in page.content.decode()


def keep(package, *times, day=14):
    """Let somebody else have the last place of these times."""
    for at in times:
        cart = rows.cart(package=package, time=at, date=rows.coming_day(day))
        slots.hold(payable.payable(cart))


def options(page):
    """The times as the browser shows them: value → label, and whether it can be chosen."""
    found = re.findall(r'<option value="(\d\d:\d\d)"([^>]*)>([^<]*)</option>', page.content.decode())
    return {value: (label, "disabled" not in attributes) for value, attributes, label in found}


def test_a_full_time_is_marked_for_the_day_that_is_looked_at_and_nothing_is_ordered(client):
    package = rows.package(capacity=1)
    keep(package, time(9), time(16))
    typed = form(package, look="times", name="Asha Rao", email="")

    page = client.post("/puja/ganesh-puja/", typed)

    shown = options(page)
    assert page.status_code == 200
    assert (shown["09:00"], shown["16:00"], shown["10:30"]) == (
        ("9:00 AM (full)", False),
        ("4:00 PM (full)", False),
        ("10:30 AM", True),
    )
    assert "6:00 AM, 7:30 AM, 10:30 AM, 12:00 PM, 5:30 PM, 7:00 PM" in page.content.decode()
    assert page.context["form"]["time"].value() == "06:00"
    assert (page.context["form"]["name"].value(), page.context["form"].errors) == ("Asha Rao", {})
    assert Cart.objects.count() == 2


def test_a_day_without_a_free_time_says_so(client):
    package = rows.package(capacity=1)
    keep(package, *slots.TIMES)

    page = client.post("/puja/ganesh-puja/", form(package, look="times"))

    assert "Please choose another day." in page.content.decode()
    assert {can_be_chosen for _, can_be_chosen in options(page).values()} == {False}


def test_a_day_that_cannot_be_booked_is_not_looked_at(client):
    package = rows.package()
    for day in ("", "soon", "2020-01-01", "9999-12-31"):
        page = client.post("/puja/ganesh-puja/", form(package, look="times", date=day))

        assert (page.status_code, page.context["form"].day) == (200, None)


def test_a_full_time_that_is_chosen_all_the_same_is_refused_with_the_free_ones(client):
    package = rows.package(capacity=1)
    keep(package, time(9))

    page = client.post("/puja/ganesh-puja/", form(package))

    (said,) = page.context["form"].errors["time"]
    assert page.status_code == 422
    assert said == "This time is fully booked. Please choose another one."
    assert ": 6:00 AM, 7:30 AM, 10:30 AM, 12:00 PM, 4:00 PM, 5:30 PM, 7:00 PM<" in page.content.decode()
    assert options(page)["09:00"] == ("9:00 AM (full)", False)
    assert Cart.objects.count() == 1


def _another_puja():
    from catalog.models import Puja

    return Puja.objects.create(slug="other", name="Other", summary="s", description="d", duration_minutes=5)
