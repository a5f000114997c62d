"""demo: a bank in a box, told on the terminal."""

from pathlib import Path

import pytest

from sealbook.application import bank
from tests.cli.terminal import sealbook

SMALL = ("demo", "--customers", "6", "--years", "1")


@pytest.mark.usefixtures("ledger")
def test_it_shows_counts_a_story_two_dates_and_what_if() -> None:
    said = sealbook(*SMALL)

    assert (said.code, said.err) == (0, "")
    for heading in ("1. TODAY'S COUNTS", "2. ONE CREDENTIAL'S STORY", "3. THE SAME CREDENTIAL", "4. WHAT IF"):
        assert heading in said.out
    assert "recorded decisions: the same decisions for each." in said.out


@pytest.mark.usefixtures("ledger")
def test_what_it_proposes_to_try_next_works() -> None:
    told = sealbook(*SMALL).out.partition("TRY NEXT")[2]
    proposed = [line.partition("sealbook ")[2].split() for line in told.splitlines() if "sealbook" in line]

    assert {words[0] for words in proposed} >= {"show", "history", "ask", "kinds", "timers", "whatif", "fsck"}
    assert [words for words in proposed if sealbook(*words).code != 0] == []


def test_what_it_proposes_names_a_ledger_of_its_own_where_one_is_needed(folder: Path) -> None:
    told = sealbook(*SMALL, "--ledger", folder / "own").out.partition("TRY NEXT")[2]
    proposed = [line.partition("sealbook ")[2] for line in told.splitlines() if "sealbook" in line]

    named = {line.split()[0] for line in proposed if line.endswith(f"--ledger {folder / 'own'}")}
    assert named == {"show", "history", "timers", "report", "whatif", "fsck"}


@pytest.mark.usefixtures("ledger")
def test_a_second_run_adds_nobody_and_a_larger_one_who_is_new() -> None:
    first = sealbook(*SMALL, "--json").answer
    again = sealbook(*SMALL, "--json").answer
    larger = sealbook("demo", "--customers", "8", "--years", "1", "--json").answer

    enrolled = [answer["events"]["customer.enrolled"] for answer in (first, again, larger)]
    assert enrolled == [6, 6, 8]
    assert first["events"] == again["events"]


def test_help_says_from_how_many_customers_on_everything_occurs() -> None:
    said = sealbook("demo", "--help")

    assert f"From {bank.CUSTOMERS_FOR_ALL} on" in " ".join(said.out.split())


@pytest.mark.usefixtures("ledger")
def test_the_ledger_that_it_makes_is_sound() -> None:
    assert sealbook("demo", "--customers", str(bank.CUSTOMERS_FOR_ALL), "--json").code == 0

    assert sealbook("fsck").code == 0
    assert sealbook("timers", "--json").answer["done"] == 0


@pytest.mark.usefixtures("ledger")
def test_who_was_erased_is_not_brought_back_by_a_second_run() -> None:
    everybody = ("demo", "--customers", str(bank.CUSTOMERS_FOR_ALL), "--json")
    first, again = (sealbook(*everybody).answer["events"] for _ in range(2))

    assert first["customer.personal_data_erased"] == 1
    assert again == first
