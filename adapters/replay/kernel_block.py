"""Chains in blocks that fit into a processor's cache: each block is read once and replayed under every policy."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.calendar_tables import DAYS_BEFORE_2000, TICKS_PER_DAY, TICKS_PER_SECOND
from sealbook.adapters.replay.compiled import compiled, kept
from sealbook.adapters.replay.kernel_chain import Attempts, attempted, ended, happened
from sealbook.adapters.replay.kernel_period import STATE_SIZE, State, issue
from sealbook.adapters.replay.kernel_world import VALID, Made, World

BLOCK_CHAINS, BLOCK_ATTEMPTS = 128, 8192
TICKS_BEFORE_2000 = DAYS_BEFORE_2000 * TICKS_PER_DAY


class Columns(NamedTuple):
    """Chains as the contract has them. The classes of uses are empty where all are plain."""

    key: NDArray[np.uint64]
    issued_at: NDArray[np.int32]
    accepted_begin: NDArray[np.int64]
    accepted_at: NDArray[np.int32]
    accepted_class: NDArray[np.uint8]
    refused_begin: NDArray[np.int64]
    refused_at: NDArray[np.int32]
    refused_class: NDArray[np.uint8]
    fact_begin: NDArray[np.int64]
    fact_at: NDArray[np.int32]
    fact_kind: NDArray[np.uint8]
    fact_place: NDArray[np.int32]
    fact_detail: NDArray[np.uint32]


class Room(NamedTuple):
    """Memory to work in, one for each thread: compiled code allocates none, so it need not count references."""

    attempts: Attempts
    state: State
    first: NDArray[np.int64]


def room(columns: Columns) -> Room:
    """Return room for a block: it may end with the longest chain."""
    lengths = np.diff(columns.accepted_begin) + np.diff(columns.refused_begin)
    size = BLOCK_ATTEMPTS + int(lengths.max(initial=0))
    attempts = Attempts(
        np.zeros(size, np.int64), np.zeros(size, np.bool_), np.zeros(size, np.uint8), np.zeros(size, np.int64)
    )
    return Room(attempts, np.zeros(STATE_SIZE, np.int64), np.zeros(BLOCK_CHAINS + 1, np.int64))


@kept
def replay_chains(
    columns: Columns,
    chains: NDArray[np.int64],
    begin: int,
    end: int,
    number: int,
    asked: int,
    only: NDArray[np.bool_],
    room: Room,
    made: Made,
    world: World,
) -> None:
    """Replay chains[begin:end] under the first `asked` policies, into the columns of `made` that they name.

    `only` tells by policy and chain which to replay; it is empty where all are.
    """
    attempts, state, first = room.attempts, room.state, room.first
    while begin < end:
        size = _merged(columns, chains, begin, end, attempts, first, world)
        for policy in range(asked):
            by_month = made.by_month[number, policy]
            for each in range(size):
                chain = chains[begin + each]
                if len(only) and not only[policy, chain]:
                    continue
                state[:] = 0
                _replay(columns, chain, state, policy, asked, first[each], first[each + 1], attempts, by_month, world)
                for row in range(VALID + 1):
                    made.of_chains[policy, row, chain] = state[row]
        begin += size


@compiled
def _replay(
    columns: Columns,
    chain: int,
    state: State,
    policy: int,
    asked: int,
    first: int,
    stop: int,
    attempts: Attempts,
    by_month: NDArray[np.int64],
    world: World,
) -> None:
    issued_at = _tick(columns.issued_at[chain])
    if issued_at > world.until:
        return
    key, taken = columns.key[chain], first
    issue(state, policy, issued_at, world)
    for fact in range(columns.fact_begin[chain], columns.fact_begin[chain + 1]):
        at = _tick(columns.fact_at[fact])
        if at > world.until:
            break
        place = min(stop, first + columns.fact_place[fact])
        attempted(state, policy, key, taken, place, attempts, by_month, world)
        happened(state, policy, columns.fact_kind[fact], columns.fact_detail[fact], asked, at, by_month, world)
        taken = place
    attempted(state, policy, key, taken, stop, attempts, by_month, world)
    ended(state, policy, by_month, world)


@compiled
def _merged(
    columns: Columns,
    chains: NDArray[np.int64],
    begin: int,
    end: int,
    attempts: Attempts,
    first: NDArray[np.int64],
    world: World,
) -> int:
    """Fill in the attempts of as many chains as make a block; return how many those are."""
    size, filled = 0, 0
    while size < min(BLOCK_CHAINS, end - begin) and filled < BLOCK_ATTEMPTS:
        first[size] = filled
        filled = _merge(columns, chains[begin + size], attempts, filled, world)
        size += 1
    first[size] = filled
    return size


@compiled
def _merge(columns: Columns, chain: int, attempts: Attempts, filled: int, world: World) -> int:
    one, one_end = columns.accepted_begin[chain], columns.accepted_begin[chain + 1]
    other, other_end = columns.refused_begin[chain], columns.refused_begin[chain + 1]
    last_day, exposed = 2**31, 0
    while one < one_end or other < other_end:
        refused = one == one_end or (other < other_end and columns.refused_at[other] < columns.accepted_at[one])
        tick = _tick(int(columns.refused_at[other])) if refused else _tick(int(columns.accepted_at[one]))
        if tick > world.until:
            break
        day = tick // TICKS_PER_DAY
        exposed += max(0, day - 1 - last_day - world.exposed_after_days)
        last_day = day
        attempts.tick[filled] = tick
        attempts.refused[filled] = refused
        attempts.exposed[filled] = exposed
        if refused:
            attempts.use_class[filled] = columns.refused_class[other] if len(columns.refused_class) else 0
        else:
            attempts.use_class[filled] = columns.accepted_class[one] if len(columns.accepted_class) else 0
        filled += 1
        other += refused
        one += not refused
    return filled


@compiled
def _tick(moment: int) -> int:
    return int(np.int64(moment) * TICKS_PER_SECOND + TICKS_BEFORE_2000)
