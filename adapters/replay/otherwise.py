"""By how much more the metrics of some chains are, where their people behave otherwise than is shown."""

from dataclasses import dataclass

import numpy as np

from sealbook.adapters.replay.figures import METRICS, Numbers
from sealbook.adapters.replay.selecting import Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class More:
    """By how much more it is for the chains at some rows, where people behave otherwise: (modes, metrics, chains)."""

    rows: Rows
    by_mode: Numbers

    @classmethod
    def nothing(cls, modes: int) -> "More":
        return cls(rows=np.empty(0, np.int64), by_mode=np.empty((modes, len(METRICS), 0), np.int64))

    def without(self, rows: Rows) -> "More":
        """Return what is not of these rows."""
        rest = ~np.isin(self.rows, rows)
        return More(rows=self.rows[rest], by_mode=self.by_mode[:, :, rest])

    def at(self, rows: Rows) -> Numbers:
        """Return it for these rows, which hold its own: of the others there is no more."""
        by_mode = np.zeros((*self.by_mode.shape[:2], len(rows)), np.int64)
        by_mode[:, :, np.searchsorted(rows, self.rows)] = self.by_mode
        return by_mode

    def and_of(self, other: "More") -> "More":
        """Return what is of the rows of either; none is of both."""
        rows = np.union1d(self.rows, other.rows)
        return More(rows=rows, by_mode=self.at(rows) + other.at(rows))

    def less(self, other: "More") -> "More":
        """Return by how much more this is than the other, of the rows of both."""
        rows = np.union1d(self.rows, other.rows)
        return More(rows=rows, by_mode=self.at(rows) - other.at(rows))

    def or_else(self, other: "More") -> "More":
        """Return what is of the rows of both, where people behave in a way of either."""
        rows = np.union1d(self.rows, other.rows)
        return More(rows=rows, by_mode=np.concatenate([self.at(rows), other.at(rows)]))

    def extremes(self) -> Numbers:
        """Return the sums of the least and of the most of each chain, who may behave as shown too, (2, metrics)."""
        least, most = np.minimum(0, self.by_mode.min(axis=0)), np.maximum(0, self.by_mode.max(axis=0))
        return np.stack([least.sum(axis=1), most.sum(axis=1)])
