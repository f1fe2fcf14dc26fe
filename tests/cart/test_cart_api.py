"""Carts over HTTP: what is taken, what is refused, and who may look."""

import uuid

import pytest

from cart.models import Cart
from tests.cart import rows

pytestmark = pytest.mark.django_db


def send(client, **fields):
    return client.post("/api/cart/", rows.body(**fields), content_type="application/json")


def test_a_guest_opens_a_cart_and_its_id_is_the_key(client):
    package = rows.package(price_paise=149900)

    answer = send(client, package_id=package.pk)

    cart = Cart.objects.get()
    assert answer.status_code == 201
    assert answer.json() == {
        "success": True,
        "data": {"cart_id": str(cart.cart_id), "total": 149900, "status": "OPEN"},
    }
    assert (cart.owner, cart.phone) == (None, "+919876543210")
    shown = client.get(f"/api/cart/{cart.cart_id}/")
    assert shown.status_code == 200
    assert shown.json()["data"] == {
        "cart_id": str(cart.cart_id),
        "total": 149900,
        "status": "OPEN",
        "puja": "Ganesh Puja",
        "package": package.name,
        "package_id": package.pk,
        "date": rows.coming_day().isoformat(),
        "time": "09:30",
        "name": "Asha Rao",
        "email": "asha@example.com",
        "phone": "+919876543210",
        "address": "12 Temple Road, Bengaluru 560003",
        "created_at": shown.json()["data"]["created_at"],
    }


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("date", "yesterday", "date: Input should be a valid date"),
        ("date", rows.coming_day(-1).isoformat(), "date: This date has passed."),
        ("date", rows.coming_day(400).isoformat(), "date: This date is more than a year away."),
        ("time", "9:30", "time: Please enter the time as HH:MM"),
        ("time", 930, "time: Input should be a valid string"),
        ("name", "", "name: The name must have 2 to 100 characters."),
        ("email", "asha", "email: Please enter an email address"),
        ("phone", "12345", "phone: Please enter an Indian mobile number"),
        ("address", "no", "address: The address must have 3 to 500 characters."),
        ("package_id", "one", "package_id: Input should be a valid integer"),
        ("package_id", 2**63, "package_id: Input should be less than"),
        ("package_id", None, "package_id: Input should be a valid integer"),
    ],
)
def test_a_bad_field_is_named_and_nothing_is_stored(client, field, value, message):
    package = rows.package()

    answer = send(client, **{"package_id": package.pk, field: value})

    assert (answer.status_code, answer.json()["success"], answer.json()["code"]) == (
        422,
        False,
        "invalid_request",
    )
    assert answer.json()["message"].startswith(message)
    assert Cart.objects.count() == 0


def test_a_time_of_today_that_is_over_is_refused(client):
    answer = send(client, package_id=rows.package().pk, date=rows.coming_day(0).isoformat(), time="00:00")

    assert (answer.status_code, answer.json()["message"]) == (
        422,
        "This time has passed. Choose a later one.",
    )
    assert Cart.objects.count() == 0


@pytest.mark.parametrize("kind", ["unknown", "inactive package", "inactive puja"])
def test_a_package_that_is_not_offered_is_not_found(client, kind):
    package = rows.package(is_active=kind != "inactive package")
    if kind == "inactive puja":
        package.puja.is_active = False
        package.puja.save()

    answer = send(client, package_id=package.pk + 1000 if kind == "unknown" else package.pk)

    assert answer.status_code == 404
    assert answer.json() == {"success": False, "code": "not_found", "message": "There is no such package."}
    assert Cart.objects.count() == 0


def test_a_customers_cart_opens_to_the_customer_and_staff_only(client):
    owner, other, staff = rows.customer(), rows.customer("ravi"), rows.customer("clerk", is_staff=True)
    client.force_login(owner)
    cart_id = send(client, package_id=rows.package().pk).json()["data"]["cart_id"]
    assert Cart.objects.get().owner == owner

    seen = {"owner": client.get(f"/api/cart/{cart_id}/").status_code}
    client.logout()
    seen["guest"] = client.get(f"/api/cart/{cart_id}/").status_code
    for name, user in (("other", other), ("staff", staff)):
        client.force_login(user)
        seen[name] = client.get(f"/api/cart/{cart_id}/").status_code

    assert seen == {"owner": 200, "guest": 404, "other": 404, "staff": 200}


@pytest.mark.parametrize("cart_id", [str(uuid.uuid4()), "1", "x", "0" * 200, "%00"])
def test_an_unknown_or_malformed_id_is_not_found(client, cart_id):
    answer = client.get(f"/api/cart/{cart_id}/")

    assert answer.status_code == 404
    assert answer.json() == {"success": False, "code": "not_found", "message": "There is no such cart."}


def test_a_guest_costs_no_session_query(client, django_assert_num_queries):
    cart = rows.cart()

    with django_assert_num_queries(1):
        client.get(f"/api/cart/{cart.cart_id}/")
