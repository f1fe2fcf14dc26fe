"""Pages for when something is wrong."""

from django.template.loader import render_to_string
from django.test import RequestFactory
from django.views.defaults import server_error


def test_the_500_page_needs_neither_request_nor_database():
    answer = server_error(RequestFactory().get("/"))

    assert answer.status_code == 500
    assert "Something went wrong on our side" in answer.content.decode()
    assert "Something went wrong on our side" in render_to_string("500.html")
