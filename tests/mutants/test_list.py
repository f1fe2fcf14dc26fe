"""The list of mutants keeps up with the code: each still finds its text, and its tests are there."""

from __future__ import annotations

import subprocess

import pytest

from tests.mutants import running
from tests.mutants.everything import MUTANTS
from tests.mutants.mutant import Mutant, Stale
from tests.processes import ROOT

pytestmark = pytest.mark.okpuja


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_changes_one_place_and_leaves_a_program(mutant):
    mutated = mutant.apply()

    compile(mutated, mutant.file, "exec")
    assert mutated != (ROOT / mutant.file).read_text()


@pytest.mark.parametrize("test", sorted({test for mutant in MUTANTS for test in mutant.killed_by}))
def test_killing_test_is_there(test):
    file, *name = test.split("::")

    text = (ROOT / file).read_text()

    assert not name or f"def {name[0]}(" in text


def test_names_are_given_once():
    names = [mutant.name for mutant in MUTANTS]

    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("text", ["nothing of it", "if held: if held:"])
def test_mutant_whose_text_is_not_there_once_is_stale(text):
    mutant = Mutant("a", "b", "c.py", "if held:", "if True:", ("tests/x.py",))

    with pytest.raises(Stale):
        mutant.break_it(text)


@pytest.mark.parametrize(
    ("code", "told", "outcome"),
    [
        (0, "1 passed", ("SURVIVED", "")),
        (1, "FAILED a.py::b - assert 1 == 2\n1 failed", ("killed", "a.py::b")),
        (1, "FAILED a.py::b - Failed: Timeout (>60.0s)\n1 failed", ("broken", "1 failed")),
        (1, "ERROR a.py::b - no fixture\n1 error", ("broken", "1 error")),
        (2, "ERROR a.py\n1 error", ("broken", "1 error")),
        (4, "ERROR: not found", ("broken", "ERROR: not found")),
    ],
)
def test_only_a_test_that_ran_and_failed_kills(code, told, outcome):
    run = subprocess.CompletedProcess([], code, stdout=told, stderr="")

    assert running.read(run) == outcome
