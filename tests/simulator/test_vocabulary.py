"""The page about the simulated upstream says what it can be told, all of it."""

import re

from providers.simulator.readers import ANSWER, FAIL_MODES, FAULTS

from .peer import ROOT


def words_of(heading, table):
    page = (ROOT / "docs" / "simulator.md").read_text()
    section = page.partition(f"\n### {heading}\n")[2].partition("\n### ")[0]
    tables = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
    rows = tables[table].splitlines()[2:]
    return [word for row in rows for word in re.findall(r"`(\w+)`", row.split("|")[1])]


def test_every_word_of_steering_is_explained():
    assert sorted(words_of("The answer", 0)) == sorted(ANSWER)
    assert sorted(words_of("Faults", 0)) == sorted(FAULTS)


def test_every_way_to_fail_is_explained():
    assert sorted(words_of("Faults", 1)) == sorted(FAIL_MODES)
