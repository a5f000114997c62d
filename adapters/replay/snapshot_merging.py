"""Chains of a share of the customers: those of an older snapshot, and what was learned since, put together.

What came later in the log counts as later at one second. A credential that was replaced has no part in its chain
any more from then on.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.contract import FactKind, Places
from sealbook.adapters.replay.snapshot_arrow import Table, arrow, flat, listed, lists, whole
from sealbook.adapters.replay.snapshot_events import (
    ACCEPTED,
    FACT_CODES,
    LAPSED,
    NO_CREDENTIAL,
    REFUSED,
    RENEWED,
    RENEWED_ON_REQUEST,
    Rows,
)
from sealbook.adapters.replay.snapshot_form import KNOWN
from sealbook.adapters.replay.snapshot_series import OLD, Series, joined, old_series

NamesOf = Callable[[Rows], list[str]]
"""The names of the credentials of issues."""
_NEVER = 2**40
_ALL_BEFORE = -1
_REISSUES = (FactKind.REISSUED, FactKind.REISSUED_AFTER_LAPSE)
_ATTEMPTS = (ACCEPTED, REFUSED)


@dataclass(frozen=True, slots=True)
class OldChains:
    """Chains of an older snapshot. Their credentials have the numbers from `first_credential` on, chain by chain."""

    table: Table
    first_credential: int

    def credentials(self) -> Places:
        """Return how many credentials each chain has had."""
        return np.diff(listed(self.table["members"])[0]) + 1


@dataclass(slots=True)
class _Credentials:
    """Credentials of the share: number, chain, and the second and the place in the log at which it was replaced."""

    number: Places
    chain: Places
    end: Places
    end_order: Places

    def rows_of(self, numbers: NDArray[np.integer]) -> Places:
        rows: Places = np.searchsorted(self.number, numbers)
        return rows


def merged(old: OldChains, issues: Rows, events: Rows, names_of: NamesOf) -> Table:
    """Return the chains in the order of a snapshot, as columns."""
    credentials = _credentials(old, issues, events)
    chains = old.table.num_rows + int(np.count_nonzero(issues["replaces"] == NO_CREDENTIAL))
    new = _new_series(credentials, events)
    cut = _ends_of_old(credentials, old)
    old_attempts = joined(
        [old_series(old.table, "accepted", code=ACCEPTED), old_series(old.table, "refused", code=REFUSED)]
    )
    old_facts = old_series(old.table, "fact_at", code=0)
    facts = joined([old_facts.only(old_facts.at <= cut[old_facts.chain]), new.only(_of(new, *FACT_CODES))])
    attempts = joined([old_attempts.only(old_attempts.at <= cut[old_attempts.chain]), new.only(_of(new, *_ATTEMPTS))])
    attempts = _behind_their_reissue(attempts, facts)
    renewals = _recorded(old, cut, "renewals", new, RENEWED, RENEWED_ON_REQUEST)
    lapses = _recorded(old, cut, "lapses", new, LAPSED)
    place = _places(facts, attempts, old_attempts)
    kind = _kinds(facts, renewals, lapses)
    columns = {
        **_own(old.table, issues),
        **_texts(old, issues, credentials, names_of),
        **_attempt_lists("accepted", attempts.only(attempts.code == ACCEPTED), chains),
        **_attempt_lists("refused", attempts.only(attempts.code == REFUSED), chains),
        "fact_at": facts.lists(facts.at.astype(np.int32), chains),
        "fact_kind": facts.lists(kind, chains),
        "fact_place": facts.lists(place, chains),
        "fact_detail": facts.lists(facts.detail, chains),
        "renewals": renewals.lists(renewals.at.astype(np.int32), chains),
        "lapses": lapses.lists(lapses.at.astype(np.int32), chains),
    }
    table = arrow.Table.from_pydict({name: columns[name] for name in KNOWN.names}, schema=KNOWN)
    return table.take(np.lexsort((flat(table["key"]), flat(table["customer"]))))


# --- Which credential belongs to which chain, until when


def _credentials(old: OldChains, issues: Rows, events: Rows) -> _Credentials:
    counts = old.credentials()
    old_chain = np.repeat(np.arange(len(counts)), counts)
    first = issues["replaces"] == NO_CREDENTIAL
    known = _Credentials(
        number=np.concatenate(
            [old.first_credential + np.arange(len(old_chain)), issues["credential"].astype(np.int64)]
        ),
        chain=np.concatenate([old_chain, len(counts) - 1 + np.cumsum(first)]),
        end=np.full(len(old_chain) + len(issues), _NEVER),
        end_order=np.full(len(old_chain) + len(issues), _ALL_BEFORE),
    )
    _end_old(known, old, counts)
    follow = np.flatnonzero(~first)
    followed = known.rows_of(issues["replaces"][follow])
    # Each reissue stands among the events as well: there it has its place in the log.
    orders = np.flatnonzero(events["code"] == FactKind.REISSUED)
    for issue, row, order in zip(follow, followed, orders, strict=True):
        known.chain[len(old_chain) + issue] = known.chain[row]
        if known.end[row] > issues["at"][issue]:
            known.end[row], known.end_order[row] = issues["at"][issue], order
    return known


def _end_old(known: _Credentials, old: OldChains, counts: Places) -> None:
    begin, at = listed(old.table["fact_at"])
    kind = listed(old.table["fact_kind"])[1]
    row_of = np.concatenate(([0], np.cumsum(counts)))
    for chain in np.flatnonzero(counts > 1):
        own = slice(begin[chain], begin[chain + 1])
        reissued = at[own][np.isin(kind[own], _REISSUES)]
        replaced = min(len(reissued), int(counts[chain]) - 1)
        known.end[row_of[chain] : row_of[chain] + replaced] = reissued[:replaced]


def _ends_of_old(credentials: _Credentials, old: OldChains) -> Places:
    """Return by chain when the newest credential that an older snapshot knew was replaced, if that is new."""
    cut = np.full(int(credentials.chain.max(initial=-1)) + 1, _NEVER)
    new = np.flatnonzero((credentials.end_order != _ALL_BEFORE) & (credentials.number < _first_new(old)))
    np.minimum.at(cut, credentials.chain[new], credentials.end[new])
    return cut


def _first_new(old: OldChains) -> int:
    return old.first_credential + int(old.credentials().sum())


# --- What happened


def _of(series: Series, *codes: int) -> NDArray[np.bool_]:
    return np.isin(series.code, codes)


def _new_series(credentials: _Credentials, events: Rows) -> Series:
    row, order, at = credentials.rows_of(events["credential"]), np.arange(len(events)), events["at"].astype(np.int64)
    end = credentials.end[row]
    in_time = (at < end) | ((at == end) & (order < credentials.end_order[row]))
    whole = Series(
        chain=credentials.chain[row],
        at=at,
        order=order,
        code=events["code"],
        use_class=events["use_class"],
        detail=events["detail"],
        place=np.zeros(len(events), np.int64),
    )
    return whole.only(in_time)


def _recorded(old: OldChains, cut: Places, column: str, new: Series, *codes: int) -> Series:
    before = old_series(old.table, column, code=codes[0])
    return joined([before.only(before.at <= cut[before.chain]), new.only(_of(new, *codes))])


def _behind_their_reissue(attempts: Series, facts: Series) -> Series:
    """Return the attempts with those a second later that a reissue made good after one that was refused at once.

    Of two attempts at one second the accepted is first, but here the refused was, and the reissue between.
    """
    reissues = facts.only(_of(facts, *_REISSUES))
    refused = attempts.only(attempts.code == REFUSED)
    candidates = np.flatnonzero(
        (attempts.code == ACCEPTED)
        & (attempts.order != OLD)
        & np.isin(attempts.keys, reissues.keys)
        & np.isin(attempts.keys, refused.keys)
    )
    if not len(candidates):
        return attempts
    first = np.searchsorted(reissues.keys, attempts.keys[candidates])
    late = candidates[attempts.order[candidates] > reissues.order[first]]
    return attempts.moved(late, seconds=1)


def _places(facts: Series, attempts: Series, old_attempts: Series) -> NDArray[np.int32]:
    """Return how many attempts came before each fact: those of earlier seconds, and of its own those before it."""
    low, high = np.searchsorted(attempts.keys, facts.keys), np.searchsorted(attempts.keys, facts.keys, side="right")
    place = low - np.searchsorted(attempts.chain, facts.chain)
    old = facts.order == OLD
    # A place in the older snapshot says how many of the fact's own second came before: they still do.
    of_old = np.searchsorted(old_attempts.keys, facts.keys[old]) - np.searchsorted(old_attempts.chain, facts.chain[old])
    place[old] += facts.place[old] - of_old
    for each in np.flatnonzero(~old & (high > low)):
        place[each] += np.searchsorted(attempts.order[low[each] : high[each]], facts.order[each])
    return place.astype(np.int32)


def _kinds(facts: Series, renewals: Series, lapses: Series) -> NDArray[np.uint8]:
    """Return the kinds of facts, reissues told apart by whether the credential that they followed had lapsed then."""
    kind = facts.code.copy()
    kind[kind == RENEWED_ON_REQUEST] = FactKind.REQUESTED
    at = np.flatnonzero(np.isin(kind, _REISSUES))
    if not len(at):
        return kind
    keys, chain = facts.keys[at], facts.chain[at]
    follows = np.r_[False, chain[1:] == chain[:-1]]
    since = np.where(follows, np.r_[0, keys[:-1]], 0)
    lapse, renewal = _last_until(lapses, keys, chain), _last_until(renewals, keys, chain)
    lapsed = (lapse >= 0) & (lapse >= since) & (renewal < lapse)
    kind[at] = np.where(lapsed, FactKind.REISSUED_AFTER_LAPSE, FactKind.REISSUED)
    return kind


def _last_until(series: Series, keys: Places, chain: Places) -> Places:
    """Return the key of the last of each chain at or before a moment, or -1."""
    if not len(series.at):
        return np.full(len(keys), -1)
    last = np.searchsorted(series.keys, keys, side="right") - 1
    there = (last >= 0) & (series.chain[last] == chain)
    return np.where(there, series.keys[last], -1)


# --- Columns


def _attempt_lists(name: str, attempts: Series, chains: int) -> dict[str, object]:
    return {
        name: attempts.lists(attempts.at.astype(np.int32), chains),
        f"{name}_class": attempts.lists(attempts.use_class, chains),
    }


def _own(old: Table, issues: Rows) -> dict[str, object]:
    first = issues[issues["replaces"] == NO_CREDENTIAL]
    columns = {"key": "key", "customer": "customer", "kind": "kind", "holder": "holder", "channel": "channel"}
    columns |= {"policy": "policy", "imported": "imported", "issued_at": "at"}
    return {name: np.concatenate([flat(old[name]), first[held]]) for name, held in columns.items()}


def _texts(old: OldChains, issues: Rows, credentials: _Credentials, names_of: NamesOf) -> dict[str, object]:
    first = issues["replaces"] == NO_CREDENTIAL
    begun, follow = names_of(issues[first]), issues[~first]
    name = arrow.concat_arrays([whole(old.table["name"]), arrow.array(begun, arrow.string())])
    alone = lists(np.zeros(len(begun) + 1, np.int64), arrow.array([], arrow.string()))
    members = arrow.concat_arrays([whole(old.table["members"]), alone])
    if not len(follow):
        return {"name": name, "members": members}
    longer: list[list[str]] = members.to_pylist()
    chains: list[int] = credentials.chain[credentials.rows_of(follow["credential"])].tolist()
    for chain, each in zip(chains, names_of(follow), strict=True):
        longer[chain].append(each)
    return {"name": name, "members": longer}
