"""The list of mutants keeps up with the code: each still finds its text, and its tests are there."""

from __future__ import annotations

import pytest

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
