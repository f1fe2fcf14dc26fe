"""The catalogue as JSON."""

from __future__ import annotations

from django.db.models import Prefetch
from django.http import HttpRequest
from ninja import Field, Router, Schema

from catalog.models import Package, Puja
from catalog.money import in_rupees

router = Router(tags=["catalog"])


class PackageOut(Schema):
    """One way to have a puja done, and its price."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["Essential"])
    description: str = Field(examples=["One priest, sankalp in the family's name, puja and aarti."])
    price_paise: int = Field(examples=[149900])
    price: str = Field(description="rupees", examples=["1499.00"])

    @staticmethod
    def resolve_price(package: Package) -> str:
        return str(in_rupees(package.price_paise))


class PujaOut(Schema):
    """A puja with the packages in which it is offered."""

    id: int = Field(examples=[1])
    slug: str = Field(examples=["ganesh-puja"])
    name: str = Field(examples=["Ganesh Puja"])
    summary: str = Field(examples=["Ask Lord Ganesha to clear the way before something new begins."])
    duration_minutes: int = Field(examples=[75])
    packages: list[PackageOut]


class CatalogOut(Schema):
    """Every puja that is offered."""

    success: bool = Field(True, examples=[True])
    data: list[PujaOut]


@router.get("/", response=CatalogOut, summary="What can be booked")
def pujas(request: HttpRequest) -> dict[str, object]:
    """Everything that can be booked now, with its packages and prices."""
    packages = Prefetch("packages", queryset=Package.objects.offered())
    return {"success": True, "data": Puja.objects.offered().prefetch_related(packages)}
