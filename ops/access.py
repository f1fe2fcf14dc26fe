"""Who may see these pages and do what on them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

SEE = "payments.view_paymentorder"
VERIFY = "ops.verify_payment"
SETTLE = "ops.settle_attention"
REFUND = "payments.add_refund"
BOOK = "ops.book_anyway"
PERSONAL = "ops.see_personal_data"

View = Callable[..., HttpResponse]


def staff_page(*rights: str) -> Callable[[View], View]:
    """A page for staff with the right to view payment orders and with `rights`.

    Guests are sent to sign in; who is signed in and may not gets 403. No page is cached.
    """

    def decorate(view: View) -> View:
        @never_cache
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not (request.user.is_staff and request.user.has_perms([SEE, *rights])):
                return render(request, "ops/forbidden.html", {"is_staff": request.user.is_staff}, status=403)
            return view(request, *args, **kwargs)

        return guarded

    return decorate


def may_see_people(user: Any) -> bool:
    """Whether names, mails, phones and addresses are shown to this user as they are."""
    return bool(user.has_perm(PERSONAL))
