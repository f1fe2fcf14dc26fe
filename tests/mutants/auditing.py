"""Guards of the auditor: what is asked about between two whole audits."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

AUDIT = "payments/audit.py"
T_LATELY = "tests/payments/test_audit_lately.py"

MUTANTS = (
    Mutant(
        "audit-forgets-breaks",
        "what was found broken is told until it is mended",
        AUDIT,
        " | set((self._last.broken or {}).get(question.name, ()))",
        "",
        (
            f"{T_LATELY}::test_an_old_break_is_found_by_the_whole_audit_and_told_by_each_run_until_it_is_mended",
        ),
    ),
    Mutant(
        "audit-without-patience",
        "what breaks a rule by waiting is found when its time is over",
        AUDIT,
        "- OVERLAP - patience",
        "- OVERLAP",
        (f"{T_LATELY}::test_a_rule_that_breaks_by_waiting_is_found_broken_when_its_time_is_over",),
    ),
    Mutant(
        "audit-overlooks-ended-watch",
        "an answer after which nobody asks again is a change",
        AUDIT,
        "next_check_at IS NULL OR status",
        "status",
        (f"{T_LATELY}::test_an_answer_that_leaves_an_order_waiting_as_before_is_no_change",),
    ),
)
