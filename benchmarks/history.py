"""Histories for benchmarks: seeded, so that every run imports the same."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

LINES = 20_000
LINES_A_CUSTOMER = 20
FACTS_A_CREDENTIAL = 30
BEGIN = datetime(2018, 1, 1, tzinfo=UTC)
_DAYS_BETWEEN = (1, 3, 20, 60)
_OTHERS = ("renewal_requested", "renewal_objected", "renewed", "refused")

Fact = dict[str, str]


def write_uses(path: Path, *, lines: int = LINES) -> int:
    """Write a uses file; return its number of lines."""
    random, customers = Random(1), lines // LINES_A_CUSTOMER
    moments = sorted(BEGIN + timedelta(minutes=random.randrange(60 * 24 * 365 * 6)) for _ in range(lines))
    written = [f"U{random.randrange(customers):05},{int(at.timestamp())}" for at in moments]
    path.write_text("customer,used_at\n" + "\n".join(written) + "\n", encoding="ascii")
    return lines


def write_facts(path: Path, *, lines: int = LINES) -> int:
    """Write a facts file in JSON Lines: nine in ten are uses, the rest holds and what concerns renewals.

    Return its number of lines.
    """
    random = Random(2)
    facts = [fact for number in range(lines // FACTS_A_CREDENTIAL) for fact in _life(random, number)]
    facts.sort(key=lambda fact: fact["at"])
    path.write_text("".join(json.dumps(fact) + "\n" for fact in facts), encoding="ascii")
    return len(facts)


def _life(random: Random, number: int) -> Iterator[Fact]:
    """Yield what happened to one credential: every other one has the customer of the one before."""
    at = BEGIN + timedelta(seconds=random.randrange(60 * 60 * 24 * 365))
    credential, suspended = f"C{number:06}", False
    yield _fact(at, credential, "issued", customer=f"P{number // 2:06}", kind="kb_mobile_certificate")
    for left in reversed(range(FACTS_A_CREDENTIAL - 1)):
        # At least a second: the file is sorted by its text.
        at += timedelta(seconds=1 + random.randrange(60 * 60 * 24 * random.choice(_DAYS_BETWEEN)))
        if suspended:
            suspended = False
            yield _fact(at, credential, "resumed")
        elif left == 0 and number % 10 == 0:
            yield _fact(at, credential, "revoked", reason="left")
        elif random.random() < 0.92:
            yield _fact(at, credential, "used", channel=random.choice(("app", "web")))
        elif random.random() < 0.4:
            suspended = True
            yield _fact(at, credential, "suspended", reason="lost")
        else:
            yield _fact(at, credential, random.choice(_OTHERS))


def _fact(at: datetime, credential: str, fact: str, **more: str) -> Fact:
    return {"at": at.isoformat(), "credential": credential, "fact": fact, **more}
