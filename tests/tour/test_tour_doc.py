"""`docs/tour.md` shows every picture that `make tour` takes, and weighs little."""

from __future__ import annotations

import re

from tests.processes import ROOT

DOC = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
STORY = (ROOT / "tests" / "tour" / "story.py").read_text(encoding="utf-8")
PICTURES = ROOT / "docs" / "tour"


def test_tour_shows_every_picture_with_words_for_those_who_do_not_see_it():
    shown = re.findall(r'<img src="tour/([\w-]+)\.jpg" width="\d+" alt="([^"]{20,})">', DOC)

    assert len(shown) == DOC.count("<img")
    assert {name for name, _ in shown} == {path.stem for path in PICTURES.iterdir()}


def test_story_still_takes_every_picture():
    assert [path.stem for path in PICTURES.iterdir() if f'"{path.stem}"' not in STORY] == []


def test_pictures_together_weigh_less_than_one_and_a_half_megabytes():
    assert sum(path.stat().st_size for path in PICTURES.iterdir()) < 1_500_000
