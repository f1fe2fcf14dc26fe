"""A test of one's own that needs nothing but what `pip install` brings."""

import subprocess
import sys
from urllib.parse import urlencode
from urllib.request import urlopen

from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import TransactionTestCase

from payments import checkout, gateway
from tests.othershop.courses.models import Course
from tests.othershop.courses.payable import seat


class PaidAndGone(TransactionTestCase):
    def setUp(self):
        """The emulator in a process of its own, on a port that is free."""
        command = [sys.executable, "-m", "phonepe_sandbox", "--port", "0"]
        emulator = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.addCleanup(emulator.communicate)
        self.addCleanup(emulator.terminate)
        origin = emulator.stdout.readline().split()[-1]  # "… listening on http://…"
        self.enterContext(self.settings(PHONEPE_BASE_URL=f"{origin}/apis/pg-sandbox"))
        gateway.close()  # what was open led elsewhere
        self.addCleanup(gateway.close)

    def test_a_learner_who_paid_and_closed_the_tab_is_enrolled(self):
        course = Course.objects.create(title="Vedic chanting", price_paise=149900, seats=10)
        learner = User.objects.create_user("asha")
        order = checkout.start(seat(course, learner.pk)).order
        pressed = urlencode({"outcome": "close_paid", "paymentMode": "UPI_QR"})
        with urlopen(order.pay_page_url, pressed.encode(), timeout=20) as page:
            assert page.status == 200

        # One sweep, of this order though it is not due yet.
        call_command("auto_complete_payments", order=order.merchant_order_id)

        order.refresh_from_db()
        enrolment = course.enrolments.get()
        assert (order.fulfilment, order.fulfilment_reference) == ("BOOKED", enrolment.number)
        assert enrolment.learner == learner
