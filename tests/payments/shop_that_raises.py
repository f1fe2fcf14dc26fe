"""A shop whose module raises as soon as it is imported."""

DELIVERED_BY = {"PUJAS_KEY": "a puja"}["COURSES_KEY"]
