"""Reading a replay snapshot, a partition at a time."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from sealbook.adapters.replay.contract import (
    SWITCH_MODES,
    Days,
    FactKind,
    Facts,
    Partition,
    Recorded,
    UseClasses,
    Uses,
)
from sealbook.adapters.replay.snapshot_arrow import Table, arrow, flat, is_parquet, listed, pq, words
from sealbook.adapters.replay.snapshot_form import (
    KNOWN,
    OWN_SWITCH,
    BadSnapshot,
    Piece,
    Said,
    content_checksum,
    nothing_known,
    plain_only,
    said_in,
    stored,
)
from sealbook.domain.policy_document import RenewalPolicy

__all__ = ["BadSnapshot", "Snapshot", "opened"]

_ALWAYS = ("key", "customer", "kind", "holder", "channel", "policy", "truncated", "issued_at")
READ_BYTES = 2**20
_FACTS = ("fact_at", "fact_kind", "fact_place", "fact_detail")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A snapshot on disk. A copy of it, for another thread or process, opens it anew."""

    path: Path
    said: Said
    partitions: int
    _content: Any = field(repr=False, compare=False)
    _file: Any = field(repr=False, compare=False)
    _pieces: Sequence[Piece] = field(repr=False, compare=False)
    _intact: set[int] = field(default_factory=set[int], init=False, repr=False, compare=False)

    def __reduce__(self) -> Any:  # noqa: ANN401 (what pickle asks for)
        return _opened_again, (self.path, self.digest)

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
        held = {name: flat(table[name]) for name in _ALWAYS}
        accepted, refused = (_uses(table, name) if attempts else None for name in ("accepted", "refused"))
        facts = _facts(table, in_fact=in_fact)
        self._check_codes(number, held)
        self._check_meaning(number, [accepted, refused], facts)
        return Partition(
            **held,
            accepted=accepted,
            refused=refused,
            facts=facts,
            days=Days(
                first_day=self.said.known.span.first_day,
                attempted=words(table["attempted_days"]),
                refused=words(table["refused_days"]),
            )
            if days
            else None,
        )

    def refused(self, number: int) -> Uses:
        """Return the refused attempts alone, which are few, without their classes."""
        begin, at = listed(self._table(number, "refused")["refused"])
        return Uses(begin=begin, at=at)

    def recorded(self, number: int) -> Recorded:
        """Return the renewals and lapses on record, in time order."""
        table = self._table(number, "renewals", "lapses")
        return Recorded(renewals=_uses(table, "renewals"), lapses=_uses(table, "lapses"))

    def names(self, number: int) -> list[str]:
        """Return what the first credential of each chain is called: its id in the ledger, or its name in a file."""
        names: list[str] = self._table(number, "name")["name"].to_pylist()
        return names

    def known(self, number: int) -> Table:
        """Return all that is known of the chains of a partition, as columns; what is not as it was written is noticed.

        Raises BadSnapshot; so do the others.
        """
        return self._checked(number, self._table(number, *KNOWN.names))

    def verify(self) -> None:
        """Raise BadSnapshot where any of the content is not what the digest is of. This reads the whole file."""
        for number in range(self.partitions):
            table = self._table(number, *self._file.schema_arrow.names)
            known = self._checked(number, table)
            if not stored(known, self.said.known).equals(table):
                raise self._damaged(number, "is not what its digest is of")

    def _checked(self, number: int, table: Table) -> Table:
        known = table.select(KNOWN.names).cast(KNOWN)
        if content_checksum(known) != self.said.groups[number]:
            raise self._damaged(number, "is not what its digest is of")
        return known

    def _check_codes(self, number: int, held: dict[str, Any]) -> None:
        known = self.said.known
        means = {"kind": known.kinds, "holder": known.holders, "channel": known.channels, "policy": known.policies}
        for name, of in means.items():
            if len(held[name]) and held[name].max() >= len(of):
                raise self._damaged(number, f"has a {name} that it does not name")

    def _check_meaning(self, number: int, attempts: Sequence[Uses | None], facts: Facts) -> None:
        classes = [each.use_class for each in attempts if each is not None and each.use_class is not None]
        if any(len(each) and each.max() >= len(self.use_classes.of) for each in classes):
            raise self._damaged(number, "has a class of uses that it does not name")
        switched_to, mode = np.divmod(facts.detail[facts.kind == FactKind.SWITCHED] % OWN_SWITCH, 4)
        if (switched_to >= len(self.policies)).any() or (mode >= len(SWITCH_MODES)).any():
            raise self._damaged(number, "has a switch that it does not explain")
        if not np.isin(facts.kind, list(FactKind)).all():
            raise self._damaged(number, "has a fact of no kind that there is")

    def _check_bytes(self, number: int) -> None:
        """Raise BadSnapshot where the bytes of a partition are not those that were written: looked at once."""
        if number not in self._intact:
            begin, checksum = self._pieces[number - 1].end if number else 0, 0
            for at in range(begin, self._pieces[number].end, READ_BYTES):
                read = self._content.read_at(min(READ_BYTES, self._pieces[number].end - at), at)
                if not read:
                    break
                checksum = crc32(read, checksum)
            if checksum != self._pieces[number].checksum:
                raise self._damaged(number, "is not as it was written")
            self._intact.add(number)

    def _table(self, number: int, *columns: str) -> Table:
        self._check_bytes(number)
        try:
            table = self._file.read_row_group(number, columns=list(columns))
        except (OSError, arrow.ArrowException) as error:
            raise self._damaged(number, "cannot be read") from error
        if any(column.null_count for column in table.columns):
            raise self._damaged(number, "has values missing")
        return table

    def _damaged(self, number: int, how: str) -> BadSnapshot:
        return BadSnapshot(f"{self.path}: a damaged snapshot: partition {number} {how}: make it anew")


def opened(path: Path) -> Snapshot:
    """Return the snapshot in a file.

    Its form is looked at, and not its content. Raises BadSnapshot for what is none, is cut off, has lost chains, or
    is of another schema.
    """
    content, file = _file(path)
    try:
        said, pieces = said_in(file.metadata.metadata)
        _check_form(file, said)
    except BadSnapshot as bad:
        raise BadSnapshot(f"{path}: {bad}") from None
    return Snapshot(path=path, said=said, partitions=len(said.groups), _content=content, _file=file, _pieces=pieces)


def _opened_again(path: Path, digest: str) -> Snapshot:
    """Return the snapshot of a file that was opened before: for another thread or process."""
    again = opened(path)
    if again.digest != digest:
        raise BadSnapshot(f"{path}: was replaced meanwhile: begin anew")
    return again


def _file(path: Path) -> tuple[Any, Any]:
    """Return a file, and it as one of Parquet."""
    try:
        # Asked before it is opened: opening a pipe waits for whoever writes to it.
        if path.exists() and not path.is_file():
            raise BadSnapshot(f"{path}: {'it is a folder' if path.is_dir() else 'not a regular file'}")
        # Read, not mapped into memory: what is cut off meanwhile would end the process.
        content = arrow.OSFile(str(path))
        return content, pq.ParquetFile(content)
    except (OSError, ValueError, arrow.ArrowException) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise BadSnapshot(f"{path}: {os.strerror(error.errno).lower()}") from error
        cut_off = "a damaged snapshot, or one that was cut off: make it anew"
        what = cut_off if is_parquet(path) else "not a replay snapshot"
        raise BadSnapshot(f"{path}: {what}") from error


def _check_form(file: Any, said: Said) -> None:  # noqa: ANN401 (a Parquet file)
    """Raise BadSnapshot, without the file's name, where a file is not in the form that it says."""
    if len(said.groups) != file.metadata.num_row_groups:
        raise BadSnapshot("a damaged snapshot: it has not the partitions that it says: make it anew")
    if said.chains != file.metadata.num_rows:
        raise BadSnapshot(
            f"a damaged snapshot: it has {file.metadata.num_rows:,} chains and says {said.chains:,}: make it anew"
        )
    try:
        same = file.schema_arrow.equals(stored(nothing_known(), said.known).schema)
    except (ValueError, arrow.ArrowException):
        same = False
    if not same:
        raise BadSnapshot("a damaged snapshot: it has not the columns of one: make it anew")


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
