"""Telling: a story has a clock and chance of its own, and asks things of the ledger in the order of time."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple
from uuid import UUID

from sealbook.application.commands import Command, Request


class Asker(NamedTuple):
    """Who asks, and over which channel."""

    actor: str
    channel: str


HOLDER = Asker("holder", "app")
CALLER = Asker("holder", "call_centre")
TELLER = Asker("teller", "branch")
OFFICER = Asker("officer", "back_office")
BANK = Asker("bank", "head_office")


@dataclass(slots=True, kw_only=True)
class Story:
    """What becomes of some customers. `at` is how far the story has come; `told` is what was asked in it.

    It may be told beyond `ends_at`; nobody listens any more then.
    """

    at: datetime
    ends_at: datetime
    random: Random
    new_id: Callable[[], UUID]
    told: list[Command] = field(default_factory=list[Command])

    @property
    def over(self) -> bool:
        return self.at > self.ends_at

    def ask(self, request: Request, by: Asker = HOLDER) -> None:
        self.told.append(Command(request=request, command_id=self.new_id(), actor=by.actor, channel=by.channel))

    def later(self, *, days: float = 0, minutes: float = 0) -> datetime:
        """Let time pass; return the moment that it has become."""
        self.at += timedelta(days=days, minutes=minutes)
        return self.at

    def aside(self) -> "Story":
        """Return a story that goes on from here by a clock of its own: what it tells is told here."""
        return replace(self)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def between(self, least: float, most: float) -> float:
        return self.random.uniform(least, most)

    def reference(self, what: str) -> str:
        """Return a reference to something that is kept elsewhere."""
        return f"{what}-{self.random.getrandbits(48):012x}"

    def digest(self) -> str:
        return f"{self.random.getrandbits(256):064x}"
