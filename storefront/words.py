"""Sentences that other rooms say and the pages show, listed here so that `make messages` finds them.

The templates translate them where they are shown; what is missing here is shown in English.
"""

from django.utils.translation import gettext_noop as _

FORM = (
    _("Package"),
    _("Date"),
    _("Starts at"),
    _("Your name"),
    _("Email"),
    _("The confirmation goes here."),
    _("Mobile number"),
    _("The priest will call you before the puja, usually the day before."),
    _("Address of the puja"),
    _("House, street, city and PIN code."),
)
WHY_A_TIME_IS_CLOSED = (_("full"), _("past"))
REFUSED_BY_FORM = (
    _("Choose a package."),
    _("This package is not offered any more."),
    _("Choose a date."),
    _("Please enter the date as YYYY-MM-DD."),
    _("Choose a time."),
    _("Choose one of the times."),
    _("Please enter your name."),
    _("Please enter your email address."),
    _("Please enter your mobile number."),
    _("Please enter the address."),
)
REFUSED_BY_CART = (
    _("This time has just been taken by someone else. Please choose another time."),
    _("This time is fully booked. Please choose another one."),
    _("This date has passed. Choose today or a later day."),
    _("This date is more than a year away. Choose an earlier one."),
    _("Please enter the time as HH:MM, for example 09:30."),
    _("This time has passed. Choose a later one."),
    _("Please enter an Indian mobile number: ten digits (0 to 9), with or without +91."),
    _("Please enter an email address such as asha@example.com."),
    _("The name must have 2 to 100 characters."),
    _("The address must have 3 to 500 characters."),
)
SIGN_IN = (  # Django's own texts, whose Hindi is hardly understood
    _("username"),
    _("Password"),
    _("Please enter a correct %(username)s and password. Note that both fields may be case-sensitive."),
)
REFUSED_PAYMENT = (
    _("The chosen time has passed. Please choose a new one."),
    _("This package is not offered any more. Please choose another one."),
    _(
        "PhonePe has not told us yet whether your earlier payment went through. Our team is checking it and will"
        " write to you: please do not pay again until then."
    ),
    _("PhonePe cannot be reached just now. Your booking details are saved: please try again in a minute."),
)
