"""What the timers find by their agenda is what asking everything finds: on whole histories, killed anywhere."""

from collections import Counter
from random import Random

import pytest

from sealbook.application import timers
from sealbook.application.agenda import MemoryAgenda
from sealbook.application.timers import Timers
from sealbook.domain.presets import preset_kinds
from tests.application.timer_stories import Run, expected, killed_in_between, lived, new_store, story


def test_the_stories_have_something_of_everything() -> None:
    """Else they would prove little."""
    names = Counter[str]()
    for seed in range(3):
        names.update(event.stored.name for (_, event), times in expected(seed).items() for _ in range(times))

    wanted = (
        "expired",
        "expiry_notice_sent",
        "renewal_notice_sent",
        "policy_switched",
        "application_abandoned",
        "revoked",
    )
    assert {name: names[f"credential.{name}"] for name in wanted if names[f"credential.{name}"] < 5} == {}


@pytest.mark.parametrize("batch", [1, 500])
@pytest.mark.parametrize("seed", range(3))
def test_the_agenda_finds_what_asking_everything_finds(monkeypatch: pytest.MonkeyPatch, seed: int, batch: int) -> None:
    monkeypatch.setattr(timers, "COMMANDS_A_BATCH", batch)
    store = new_store()
    running = Timers(store, preset_kinds())

    def alive(run: Run) -> None:
        running.kinds = run.kinds
        running.run(until=run.until, now=run.now)
        assert list(running.overlooked()) == []

    assert lived(store, story(seed), alive) == expected(seed)


@pytest.mark.parametrize("seed", range(3))
def test_killed_anywhere_it_goes_on_and_nothing_is_done_twice(seed: int) -> None:
    store, agenda, chance, killed = new_store(), MemoryAgenda(), Random(seed), list[int]()

    assert lived(store, story(seed), lambda run: killed.append(killed_in_between(store, agenda, run, chance))) == (
        expected(seed)
    )
    assert sum(killed) > len(killed) / 2
