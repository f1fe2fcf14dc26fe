"""The same command under the name that older set-ups start it by."""

from payments.management.commands.auto_complete_payments import Command as AutoCompletePayments


class Command(AutoCompletePayments):
    default_interval = 120
