"""All mutants, in the order of the road that an order takes."""

from __future__ import annotations

from tests.mutants import asking, auditing, database, many, opening, settling

MUTANTS = (
    *opening.MUTANTS,
    *asking.MUTANTS,
    *settling.MUTANTS,
    *many.MUTANTS,
    *auditing.MUTANTS,
    *database.MUTANTS,
)
