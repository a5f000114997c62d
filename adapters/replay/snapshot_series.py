"""What happened to many chains, in order of chain, second, and place in the log."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.contract import Codes, Places
from sealbook.adapters.replay.snapshot_arrow import Column, Table, listed, lists

OLD = -1
"""The place in the log of what an older snapshot holds: before all that is new."""
_EARLIEST = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Columns of one length; `code` says what each is, `place` is an old fact's."""

    chain: Places
    at: Places
    order: Places
    code: Codes
    use_class: Codes
    detail: NDArray[np.uint32]
    place: Places

    @property
    def keys(self) -> Places:
        """Chain and second as one number."""
        return keys_of(self.chain, self.at)

    def only(self, which: NDArray[np.bool_] | Places) -> "Series":
        return Series(
            chain=self.chain[which],
            at=self.at[which],
            order=self.order[which],
            code=self.code[which],
            use_class=self.use_class[which],
            detail=self.detail[which],
            place=self.place[which],
        )

    def moved(self, rows: Places, *, seconds: int) -> "Series":
        """Return the series with these rows later, in order again."""
        at = self.at.copy()
        at[rows] += seconds
        return joined([replace(self, at=at)])

    def lists(self, values: NDArray[Any], chains: int) -> Column:
        """Return a column with the values of each chain as a list."""
        return lists(np.searchsorted(self.chain, np.arange(chains + 1)), values)


def keys_of(chain: Places, at: Places) -> Places:
    return (chain << 32) + (at + _EARLIEST)


def joined(several: Sequence[Series]) -> Series:
    """Return several as one, in order; at one second, those of an earlier series before those of a later one."""
    whole = Series(
        chain=np.concatenate([each.chain for each in several]),
        at=np.concatenate([each.at for each in several]),
        order=np.concatenate([each.order for each in several]),
        code=np.concatenate([each.code for each in several]),
        use_class=np.concatenate([each.use_class for each in several]),
        detail=np.concatenate([each.detail for each in several]),
        place=np.concatenate([each.place for each in several]),
    )
    return whole.only(np.argsort(whole.keys, kind="stable"))


def old_series(table: Table, column: str, *, code: int) -> Series:
    """Return a column of an older snapshot; facts have kinds, details and places of their own."""
    begin, at = listed(table[column])
    facts, classes = column == "fact_at", f"{column}_class"
    return Series(
        chain=np.repeat(np.arange(len(begin) - 1), np.diff(begin)),
        at=at.astype(np.int64),
        order=np.full(len(at), OLD),
        code=listed(table["fact_kind"])[1] if facts else np.full(len(at), code, np.uint8),
        use_class=listed(table[classes])[1] if classes in table.column_names else np.zeros(len(at), np.uint8),
        detail=listed(table["fact_detail"])[1] if facts else np.zeros(len(at), np.uint32),
        place=listed(table["fact_place"])[1].astype(np.int64) if facts else np.zeros(len(at), np.int64),
    )
