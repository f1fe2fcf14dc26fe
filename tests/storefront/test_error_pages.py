"""Pages for when something is wrong."""

from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.views.defaults import server_error

from payments.models import PaymentOrder
from tests.cart import rows


def test_the_500_page_needs_neither_request_nor_database():
    answer = server_error(RequestFactory().get("/"))

    assert answer.status_code == 500
    assert "Something went wrong on our side" in answer.content.decode()
    assert "Something went wrong on our side" in render_to_string("500.html")


def test_a_request_that_cannot_be_understood_is_told_calmly_in_both_languages(db, settings):
    settings.ALLOWED_HOSTS = ["shop.example"]
    client = Client(headers={"host": "other.example"})

    pages = [client.get("/"), client.get("/", headers={"accept-language": "hi"})]

    assert [page.status_code for page in pages] == [400, 400]
    assert "We could not understand this request" in pages[0].content.decode()
    assert "हम यह अनुरोध समझ नहीं पाए" in pages[1].content.decode()
    assert '<a class="button" href="/">' in pages[0].content.decode()


def test_a_form_without_its_token_is_told_calmly_and_shown_a_way_on(db):
    cart_id = rows.cart().cart_id
    client = Client(enforce_csrf_checks=True)

    page = client.post(f"/cart/{cart_id}/pay/", {"total": "149900"})
    hindi = client.post(f"/cart/{cart_id}/pay/", headers={"accept-language": "hi"})

    assert [page.status_code, hindi.status_code] == [403, 403]
    assert "To be safe, we did not carry this out: the page had been open too long" in page.content.decode()
    assert '<a class="button" href="/">See all pujas</a>' in page.content.decode()
    assert "कृपया एक बार फिर" in hindi.content.decode()
    assert not PaymentOrder.objects.exists()
