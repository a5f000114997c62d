"""A bank in a box: customers who apply, use, lose and renew, drawn from a seed, told as commands.

| What | Module |
|---|---|
| a story: its clock, its chance, what it asks | `telling` |
| customers with their phones; credentials; applications | `people`, `means`, `applications` |
| most customers: daily life, and what may happen in it | `daily`, `incidents`, `companies` |
| the first customers: a story each | `cast`, `stories_of_applying`, `stories_of_use`, `stories_of_endings` |
| the bank's own decisions | `policies` |
| carrying it all out, month by month | `months` |

Nobody in it is real: customers have numbers, and everything personal is a reference to nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from random import Random
from uuid import UUID

from sealbook.application.bank.cast import CAST, CUSTOMERS_FOR_ALL, Part
from sealbook.application.bank.companies import CUSTOMERS, company
from sealbook.application.bank.incidents import ordinary
from sealbook.application.bank.months import live
from sealbook.application.bank.policies import policy_commands
from sealbook.application.bank.stories_of_endings import erased
from sealbook.application.bank.telling import Story
from sealbook.application.commands import Command

__all__ = ["CUSTOMERS_FOR_ALL", "commands", "erased_among", "live"]

COMPANIES = 0.01


def commands(
    names: Sequence[str],
    *,
    begins_at: datetime,
    ends_at: datetime,
    random: Random,
    new_id: Callable[[], UUID],
    known: frozenset[str] = frozenset(),
) -> list[Command]:
    """Return what customers of these names, and the bank, ask of a ledger until `ends_at`, in time order.

    The lives of those who are `known` already are left out. A few lives began before `begins_at`.
    """
    told: list[Command] = []
    for part, own in _parts(names, random):
        if known.isdisjoint(own):
            at = begins_at + random.random() * (0.01 if part in CAST else 1 / 3) * (ends_at - begins_at)
            part.story(Story(at=at, ends_at=ends_at, random=random, new_id=new_id, told=told), own)
    lives = [each for each in told if each.request.at <= ends_at]
    earliest = min((each.request.at for each in lives), default=begins_at)
    policies = policy_commands(earliest=min(earliest, begins_at), begins_at=begins_at, ends_at=ends_at, new_id=new_id)
    due = [each for each in policies if each.request.at <= ends_at]
    # Stable: what is asked at one instant stays in its order.
    return sorted([*due, *lives], key=lambda command: command.request.at)


def erased_among(names: Sequence[str]) -> frozenset[str]:
    """Return whose story ends with an erasure: once it is told, nothing tells that these names were ever there."""
    return frozenset(name for part, own in _cast(list(names)) if part.story is erased for name in own)


def _parts(names: Sequence[str], random: Random) -> Iterator[tuple[Part, Sequence[str]]]:
    """Deal out the names: first to the cast, as far as they go, then to ordinary people and a few companies."""
    left = list(names)
    yield from _cast(left)
    while left:
        part = _COMPANY if len(left) >= CUSTOMERS and random.random() < COMPANIES else _PERSON
        yield part, left[: part.customers]
        del left[: part.customers]


def _cast(left: list[str]) -> Iterator[tuple[Part, Sequence[str]]]:
    """Take the names of the cast from those that are left."""
    for part in CAST:
        if part.customers <= len(left):
            yield part, left[: part.customers]
            del left[: part.customers]


def _ordinary(story: Story, names: Sequence[str]) -> None:
    ordinary(story, names[0])


_PERSON = Part(_ordinary)
_COMPANY = Part(company, CUSTOMERS)
