"""Reading a replay snapshot, a partition at a time."""

import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from sealbook.adapters.replay.contract import Days, FactKind, Facts, Partition, Recorded, UseClasses, Uses
from sealbook.adapters.replay.snapshot_arrow import Table, arrow, flat, listed, pq, words
from sealbook.adapters.replay.snapshot_days import Span
from sealbook.adapters.replay.snapshot_form import KNOWN, OWN_SWITCH, BadSnapshot, Said, plain_only, said_in
from sealbook.domain.policy_document import RenewalPolicy

__all__ = ["BadSnapshot", "Snapshot", "opened"]

_ALWAYS = ("key", "customer", "kind", "holder", "channel", "policy", "truncated", "issued_at")
_FACTS = ("fact_at", "fact_kind", "fact_place", "fact_detail")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A snapshot on disk. It may be handed to another process, which opens it anew."""

    path: Path
    said: Said
    partitions: int
    _file: Any = field(repr=False, compare=False)

    def __reduce__(self) -> Any:  # noqa: ANN401 (what pickle asks for)
        return opened, (self.path,)

    @property
    def position(self) -> int | None:
        """Up to where the ledger was read; None for one of files."""
        return self.said.known.position

    @property
    def as_of(self) -> datetime:
        return self.said.known.as_of

    @property
    def source(self) -> str:
        return self.said.known.source

    @property
    def chains(self) -> int:
        return self.said.chains

    @property
    def customers(self) -> int:
        return self.said.customers

    @property
    def attempts(self) -> int:
        return self.said.attempts

    @property
    def truncated(self) -> int:
        return self.said.truncated

    @property
    def kinds(self) -> tuple[str, ...]:
        return self.said.known.kinds

    @property
    def holders(self) -> tuple[str, ...]:
        return self.said.known.holders

    @property
    def channels(self) -> tuple[str, ...]:
        return self.said.known.channels

    @property
    def use_classes(self) -> UseClasses:
        return self.said.known.use_classes

    @property
    def policies(self) -> tuple[RenewalPolicy, ...]:
        return self.said.known.policies

    @property
    def digest(self) -> str:
        return self.said.digest

    def read(self, number: int, *, attempts: bool, days: bool, in_fact: bool = False) -> Partition:
        """Return a partition with what is asked for. Raises BadSnapshot where the file is damaged.

        With `in_fact`, the facts hold the switches that policies made by themselves as well: those a replay of what
        was has to know, and another policy would not have made.
        """
        classes = () if plain_only(self.use_classes) else ("accepted_class", "refused_class")
        of_attempts = ("accepted", "refused", *classes) if attempts else ()
        of_days = ("attempted_days", "refused_days") if days else ()
        table = self._table(number, *_ALWAYS, *_FACTS, *of_attempts, *of_days)
        known = self.said.known
        span = Span.of(known.first_attempt, known.last_attempt)
        held = {name: flat(table[name]) for name in _ALWAYS}
        return Partition(
            **held,
            accepted=_uses(table, "accepted") if attempts else None,
            refused=_uses(table, "refused") if attempts else None,
            facts=_facts(table, in_fact=in_fact),
            days=Days(
                first_day=span.first_day,
                attempted=words(table["attempted_days"]),
                refused=words(table["refused_days"]),
            )
            if days
            else None,
        )

    def recorded(self, number: int) -> Recorded:
        """Return the renewals and lapses on record, in time order."""
        table = self._table(number, "renewals", "lapses")
        return Recorded(renewals=_uses(table, "renewals"), lapses=_uses(table, "lapses"))

    def names(self, number: int) -> list[str]:
        """Return what the first credential of each chain is called: its id in the ledger, or its name in a file."""
        names: list[str] = self._table(number, "name")["name"].to_pylist()
        return names

    def known(self, number: int) -> Table:
        """Return all that is known of the chains of a partition, as columns."""
        return self._table(number, *KNOWN.names).cast(KNOWN)

    def _table(self, number: int, *columns: str) -> Table:
        try:
            return self._file.read_row_group(number, columns=list(columns))
        except (OSError, arrow.ArrowException) as error:
            raise BadSnapshot(f"{self.path}: a damaged snapshot: partition {number} cannot be read") from error


def opened(path: Path) -> Snapshot:
    """Return the snapshot in a file. Raises BadSnapshot for what is none, is cut off, or is of another schema."""
    try:
        file = pq.ParquetFile(path, memory_map=True, page_checksum_verification=True)
    except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError) as error:
        raise BadSnapshot(f"{path}: not a replay snapshot, or one that was cut off") from error
    except OSError as error:
        why = "cannot be read" if error.errno is None else os.strerror(error.errno).lower()
        raise BadSnapshot(f"{path}: {why}") from error
    try:
        said = said_in(file.metadata.metadata)
    except BadSnapshot as bad:
        raise BadSnapshot(f"{path}: {bad}") from None
    if len(said.groups) != file.metadata.num_row_groups:
        raise BadSnapshot(f"{path}: a damaged snapshot: it has not the partitions that it says")
    return Snapshot(path=path, said=said, partitions=len(said.groups), _file=file)


def _uses(table: Table, name: str) -> Uses:
    begin, at = listed(table[name])
    classes = f"{name}_class"
    use_class = listed(table[classes])[1] if classes in table.column_names else None
    return Uses(begin=begin, at=at, use_class=use_class if use_class is not None and use_class.any() else None)


def _facts(table: Table, *, in_fact: bool) -> Facts:
    begin, at = listed(table["fact_at"])
    kind, place, detail = (listed(table[name])[1] for name in _FACTS[1:])
    own = (kind == FactKind.SWITCHED) & (detail >= OWN_SWITCH)
    if not own.any():
        return Facts(begin=begin, at=at, kind=kind, place=place, detail=detail)
    if in_fact:
        return Facts(begin=begin, at=at, kind=kind, place=place, detail=np.where(own, detail - OWN_SWITCH, detail))
    kept = np.concatenate(([0], np.cumsum(~own)))[begin]
    return Facts(begin=kept, at=at[~own], kind=kind[~own], place=place[~own], detail=detail[~own])
