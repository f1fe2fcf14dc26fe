"""The catalogue: money as people read it, the samples, the JSON."""

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction

from catalog.models import Package, Puja
from catalog.money import in_rupees, rupees

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("paise", "shown", "plain"),
    [
        (100, "₹1.00", "1.00"),
        (149900, "₹1,499.00", "1499.00"),
        (149905, "₹1,499.05", "1499.05"),
        (12345600, "₹1,23,456.00", "123456.00"),
        (10**15 + 1, "₹1,00,00,00,00,00,000.01", "10000000000000.01"),
    ],
)
def test_money_is_shown_without_loss_and_in_indian_grouping(paise, shown, plain):
    assert rupees(paise) == shown
    assert str(in_rupees(paise)) == plain


def test_seed_catalog_twice_makes_the_same_rows_once():
    call_command("seed_catalog", verbosity=0)
    first = (list(Puja.objects.values().order_by("pk")), list(Package.objects.values().order_by("pk")))

    call_command("seed_catalog", verbosity=0)

    second = (list(Puja.objects.values().order_by("pk")), list(Package.objects.values().order_by("pk")))
    assert second == first
    assert len(first[0]) == 9
    assert {puja.packages.count() for puja in Puja.objects.all()} == {2, 3}
    assert Package.objects.filter(price_paise=149900).exists()


def test_seed_catalog_mends_samples_and_leaves_other_rows_alone():
    call_command("seed_catalog", verbosity=0)
    sample = Package.objects.get(puja__slug="ganesh-puja", name="Essential")
    Package.objects.filter(pk=sample.pk).update(price_paise=500, is_active=False)
    Puja.objects.filter(pk=sample.puja_id).update(capacity=1)
    own = Puja.objects.create(slug="own", name="Own", summary="s", description="d", duration_minutes=5)

    call_command("seed_catalog", verbosity=0)

    sample.refresh_from_db()
    assert (sample.price_paise, sample.is_active, sample.puja.capacity) == (149900, True, 8)
    assert Puja.objects.filter(pk=own.pk).exists()


def test_the_database_refuses_a_price_below_one_rupee():
    puja = Puja.objects.create(slug="p", name="P", summary="s", description="d", duration_minutes=5)

    with pytest.raises(IntegrityError, match="catalog_package_price"), transaction.atomic():
        Package.objects.create(puja=puja, name="cheap", description="", price_paise=99)

    assert Package.objects.count() == 0


def test_the_api_lists_what_is_offered_in_order_with_prices(client):
    late = Puja.objects.create(
        slug="b", name="Late", summary="two", description="d", duration_minutes=30, order=2
    )
    early = Puja.objects.create(
        slug="a", name="Early", summary="one", description="d", duration_minutes=60, order=1
    )
    hidden = Puja.objects.create(
        slug="c", name="Hidden", summary="x", description="d", duration_minutes=1, is_active=False
    )
    dear = Package.objects.create(puja=early, name="Dear", description="dd", price_paise=299950)
    cheap = Package.objects.create(puja=early, name="Cheap", description="cc", price_paise=149900)
    Package.objects.create(puja=early, name="Gone", description="", price_paise=100, is_active=False)
    Package.objects.create(puja=late, name="Gone", description="", price_paise=100, is_active=False)
    Package.objects.create(puja=hidden, name="Any", description="", price_paise=100)

    answer = client.get("/api/catalog/")

    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "data": [
            {
                "id": early.pk,
                "slug": "a",
                "name": "Early",
                "summary": "one",
                "duration_minutes": 60,
                "packages": [
                    {
                        "id": cheap.pk,
                        "name": "Cheap",
                        "description": "cc",
                        "price_paise": 149900,
                        "price": "1499.00",
                    },
                    {
                        "id": dear.pk,
                        "name": "Dear",
                        "description": "dd",
                        "price_paise": 299950,
                        "price": "2999.50",
                    },
                ],
            }
        ],
    }


def test_the_api_costs_two_queries_however_many_pujas_there_are(client, django_assert_num_queries):
    call_command("seed_catalog", verbosity=0)

    with django_assert_num_queries(2):
        client.get("/api/catalog/")
