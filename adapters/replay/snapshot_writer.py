"""Writing a replay snapshot: chains as they come, a partition in memory at a time, the whole file or none."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import TracebackType
from typing import IO, Any, Self
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.contract import FactKind
from sealbook.adapters.replay.snapshot_arrow import Table, arrow, compute, flat, is_parquet, listed, pq
from sealbook.adapters.replay.snapshot_form import (
    ATTEMPTS_A_PARTITION,
    CHAINS_A_PARTITION,
    KNOWN,
    BadSnapshot,
    Known,
    Piece,
    Said,
    content_checksum,
    nothing_known,
    stored,
)
from sealbook.adapters.whole_files import written_to

ROWS_A_BATCH = 4_096
_DELTA = ("accepted", "refused", "fact_at", "renewals", "lapses")
"""What grows within a row is stored as differences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactRow:
    """`place` is how many attempts came before, as the contract has it."""

    at: int
    kind: FactKind
    place: int
    detail: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRow:
    """One chain, moments in seconds and in order. No class of uses says that all are plain."""

    key: int
    customer: int
    name: str
    kind: int = 0
    holder: int = 0
    channel: int = 0
    policy: int = 0
    imported: bool = False
    issued_at: int
    members: tuple[str, ...] = ()
    accepted: Sequence[int] = ()
    accepted_class: Sequence[int] = ()
    refused: Sequence[int] = ()
    refused_class: Sequence[int] = ()
    facts: Sequence[FactRow] = ()
    renewals: Sequence[int] = ()
    lapses: Sequence[int] = ()


class _Summed:
    """A file to be written to, which tells what was."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._end = self._checksum = 0
        self.closed = False

    def write(self, data: Any) -> int:  # noqa: ANN401 (what pyarrow holds)
        self._checksum = crc32(data, self._checksum)
        self._end += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """Leave the file open: it is to be made durable."""
        self.closed = True

    def piece(self) -> Piece:
        """Return what was written since this was asked last."""
        piece, self._checksum = Piece(self._end, self._checksum), 0
        return piece


class SnapshotWriter:
    """A snapshot being written. As a context: it appears whole when the context ends, or not at all.

    Chains of one customer come one after another. Held in memory are the chains of a partition, and what was added
    at once. Raises BadSnapshot where the file cannot be written.
    """

    def __init__(self, path: Path, *, known: Known) -> None:
        self._path = path
        self._target = written_to(path)
        self._known = known
        self._rows: list[ChainRow] = []
        self._pending: Table = nothing_known()
        self._groups: list[str] = []
        self._pieces: list[Piece] = []
        self._chains = self._customers = self._attempts = self._truncated = 0
        self.said: Said | None = None

    def __enter__(self) -> Self:
        try:
            if self._target.is_file() and not is_parquet(self._target):
                raise BadSnapshot(f"{self._path}: another file has this name, which is no snapshot: take another name")
            self._file = NamedTemporaryFile(
                dir=self._target.parent, prefix=f".{self._target.name}.", suffix=".part", delete=False
            )
            self._summed = _Summed(self._file)
            self._parquet = pq.ParquetWriter(
                self._summed,
                stored(nothing_known(), self._known).schema,
                compression="zstd",
                use_dictionary=[name for name in KNOWN.names if name not in _DELTA],
                column_encoding={f"{name}.list.element": "DELTA_BINARY_PACKED" for name in _DELTA},
            )
        except OSError as error:
            raise self._cannot(error) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if error is None:
                self._finish()
        except OSError as failed:
            raise self._cannot(failed) from failed
        finally:
            # What it still writes goes into a file that is taken away: left open, it would write when it is collected.
            with suppress(OSError):
                self._parquet.close()
            self._file.close()
            with suppress(FileNotFoundError):
                Path(self._file.name).unlink()
        if isinstance(error, OSError):
            raise self._cannot(error) from error

    def add(self, row: ChainRow) -> None:
        self._rows.append(row)
        if len(self._rows) == ROWS_A_BATCH:
            self._take_rows()

    def add_table(self, table: Table) -> None:
        """Add chains as columns, those of snapshot_form.KNOWN."""
        self._take_rows()
        self._take(table)

    def _take_rows(self) -> None:
        if self._rows:
            rows, self._rows = self._rows, []
            self._take(table_of(rows))

    def _take(self, table: Table) -> None:
        self._pending = arrow.concat_tables([self._pending, table])
        # One chain more than a partition holds tells whether its last customer goes on.
        while self._pending.num_rows > (most := _most_chains(self._pending)):
            end = _end_of_customer(flat(self._pending["customer"]), most)
            if end is None:
                return
            self._write_group(end)

    def _write_group(self, rows: int) -> None:
        group = self._pending.slice(0, rows).combine_chunks()
        self._pending = self._pending.slice(rows)
        customers = flat(group["customer"])
        self._groups.append(content_checksum(group))
        self._chains += rows
        self._customers += int(np.count_nonzero(np.diff(customers))) + 1
        self._attempts += sum(len(listed(group[name])[1]) for name in ("accepted", "refused"))
        whole = stored(group, self._known)
        self._truncated += int(np.count_nonzero(flat(whole["truncated"])))
        self._parquet.write_table(whole, row_group_size=rows)
        self._pieces.append(self._summed.piece())

    def _finish(self) -> None:
        self._take_rows()
        if self._pending.num_rows:
            self._write_group(self._pending.num_rows)
        self.said = Said(
            known=self._known,
            chains=self._chains,
            customers=self._customers,
            attempts=self._attempts,
            truncated=self._truncated,
            groups=tuple(self._groups),
        )
        self._parquet.add_key_value_metadata(self.said.metadata(self._pieces))
        self._parquet.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        Path(self._file.name).replace(self._target)
        folder = os.open(self._target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _cannot(self, error: OSError) -> BadSnapshot:
        return BadSnapshot(f"{self._path}: {(error.strerror or 'cannot be written').lower()}")


def table_of(rows: Sequence[ChainRow]) -> Table:
    """Return chains as columns."""
    own = {each.name for each in fields(ChainRow)}
    held: dict[str, list[Any]] = {name: [getattr(row, name) for row in rows] for name in KNOWN.names if name in own}
    for name in ("accepted", "refused"):
        classes = held[f"{name}_class"]
        held[f"{name}_class"] = [given or [0] * len(at) for given, at in zip(classes, held[name], strict=True)]
    for name in ("at", "kind", "place", "detail"):
        held[f"fact_{name}"] = [[int(getattr(fact, name)) for fact in row.facts] for row in rows]
    return arrow.Table.from_pydict({name: held[name] for name in KNOWN.names}, schema=KNOWN)


def _most_chains(table: Table) -> int:
    """Return how many of the first chains may be one partition."""
    lengths = [flat(compute.list_value_length(table[name])) for name in ("accepted", "refused")]
    within = np.searchsorted(np.cumsum(sum(lengths), dtype=np.int64), ATTEMPTS_A_PARTITION, side="right")
    return min(CHAINS_A_PARTITION, int(within))


def _end_of_customer(customers: NDArray[Any], most: int) -> int | None:
    """Return where the last customer ends who is whole within the first rows, or the first, who has more than those.

    None where the first goes on, perhaps beyond the rows that are there.
    """
    changes = np.flatnonzero(np.diff(customers)) + 1
    within = changes[changes <= most]
    return int(within[-1]) if len(within) else next(map(int, changes), None)
