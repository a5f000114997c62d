"""A made-up bank as a replay snapshot on disk."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.synthetic_bank import CHANNELS, FIRST_DAY, HOLDERS, KINDS, SECONDS_A_DAY, UNTIL, Bank
from benchmarks.what_if_lives import Terms, log_of
from sealbook.adapters.replay.contract import Partition, Recorded, UseClasses, Uses
from sealbook.adapters.replay.moments import moment_of
from sealbook.adapters.replay.snapshot_arrow import arrow, lists
from sealbook.adapters.replay.snapshot_form import KNOWN, Known
from sealbook.adapters.replay.snapshot_writer import SnapshotWriter


def write_snapshot(path: Path, bank: Bank, terms: Terms) -> None:
    """Write what a ledger would know of the bank if it had been under a policy all the time."""
    with SnapshotWriter(path, known=_known(terms)) as writer:
        first = 0
        for lives in bank.partitions():
            writer.add_table(_table(*log_of(lives, terms), first=first))
            first += lives.chains


def _known(terms: Terms) -> Known:
    return Known(
        source="a made-up bank",
        position=None,
        as_of=moment_of(UNTIL),
        later=0,
        first_attempt=FIRST_DAY * SECONDS_A_DAY,
        last_attempt=UNTIL,
        kinds=KINDS,
        holders=HOLDERS,
        channels=CHANNELS,
        use_classes=UseClasses(),
        policies=(terms.policy,),
    )


def _table(log: Partition, recorded: Recorded, *, first: int) -> Any:  # noqa: ANN401 (pyarrow has no types)
    columns: dict[str, Any] = {
        name: arrow.array(getattr(log, name)) for name in ("key", "customer", "kind", "holder", "channel", "policy")
    }
    columns["imported"] = arrow.array(log.truncated)
    columns["issued_at"] = arrow.array(log.issued_at)
    columns["name"] = arrow.array([f"{number:08}" for number in range(first, first + log.chains)])
    columns["members"] = lists(np.zeros(log.chains + 1, np.int64), np.empty(0, np.str_))
    columns |= dict(_uses(log, recorded))
    for name in ("at", "kind", "place", "detail"):
        columns[f"fact_{name}"] = lists(log.facts.begin, getattr(log.facts, name))
    return arrow.table({name: columns[name] for name in KNOWN.names}).cast(KNOWN)


def _uses(log: Partition, recorded: Recorded) -> Iterator[tuple[str, Any]]:
    for name, uses in (("accepted", log.accepted), ("refused", log.refused)):
        held = uses or Uses(begin=np.zeros(log.chains + 1, np.int64), at=np.empty(0, np.int32))
        yield name, lists(held.begin, held.at)
        yield f"{name}_class", lists(held.begin, np.zeros(len(held.at), np.uint8))
    yield "renewals", lists(recorded.renewals.begin, recorded.renewals.at)
    yield "lapses", lists(recorded.lapses.begin, recorded.lapses.at)
