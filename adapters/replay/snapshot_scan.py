"""Compiled reading of the log: many rows in one piece, and of each body what a replay needs.

What a body says is the codec's business; here stand only the kinds of events of which a bank has so many that each
by itself would take too long. Whatever looks otherwise than expected is left to the codec.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.compiled import compiled, kept
from sealbook.adapters.replay.contract import Places
from sealbook.adapters.replay.snapshot_events import ACCEPTED, LAPSED, REFUSED, RENEWED, RENEWED_ON_REQUEST
from sealbook.domain.catalogue import EVENT_TYPES, Event
from sealbook.domain.credential import (
    AutoRenewed,
    Expired,
    FactNotApplied,
    Issued,
    PolicySwitched,
    RenewalObjectionLodged,
    Renewed,
    Resumed,
    Revoked,
    Suspended,
    Used,
    UseRefused,
)
from sealbook.domain.credential.use import OF_THE_POLICY
from sealbook.domain.policy import Adopted, Announced

NOTHING, FOR_THE_CODEC, NEW_CLASS = 0, 255, 254
"""What becomes of a row besides the codes of events. NEW_CLASS: a use of a channel and purpose not seen before."""
EMPTY = -1
Ids = NDArray[np.uint64]
Bytes = NDArray[np.uint8]
Number = Any
"""What the compiler knows by itself: numbers of one kind or another, or several."""
_FNV_START, _FNV_PRIME = np.uint64(14695981039346656037), np.uint64(1099511628211)
_SHORT_READ: dict[type[Event], int] = {
    Used: ACCEPTED,
    UseRefused: REFUSED,
    AutoRenewed: RENEWED,
    Renewed: RENEWED_ON_REQUEST,
    Expired: LAPSED,
}
_DECODED: tuple[type[Event], ...] = (
    *(Issued, Suspended, Resumed, Revoked, RenewalObjectionLodged, PolicySwitched, FactNotApplied),
    *(Announced, Adopted),
)


class Scanned(NamedTuple):
    """Rows of the log: what each is, when (microseconds since 1970), of which stream, and where its body stands.

    `use_class` is the class of an attempt; of a NEW_CLASS, `class_hash` tells which are the same.
    """

    code: NDArray[np.uint8]
    at: NDArray[np.int64]
    high: Ids
    low: Ids
    use_class: NDArray[np.uint8]
    class_hash: Ids
    body: NDArray[np.int64]
    length: NDArray[np.int64]


def scanned(block: bytes, rows_max: int, class_hashes: Ids) -> Scanned:
    """Read rows of stream, length of the body in four bytes, and body; no more than so many of them.

    `class_hashes` are those of the classes known, by number.
    """
    data = np.frombuffer(block, np.uint8)
    made = Scanned(
        code=np.zeros(rows_max, np.uint8),
        at=np.zeros(rows_max, np.int64),
        high=np.zeros(rows_max, np.uint64),
        low=np.zeros(rows_max, np.uint64),
        use_class=np.zeros(rows_max, np.uint8),
        class_hash=np.zeros(rows_max, np.uint64),
        body=np.zeros(rows_max, np.int64),
        length=np.zeros(rows_max, np.int64),
    )
    count = int(_scan(data, _NAMES, _CODES, _VERSIONS, _OF_THE_POLICY, class_hashes, *made))
    return Scanned._make(column[:count] for column in made)


@compiled
def _number(data: Bytes, at: int, size: int) -> Number:
    value = np.uint64(0)
    for place in range(at, at + size):
        value = (value << np.uint64(8)) | np.uint64(data[place])
    return value


@compiled
def _hash(data: Bytes, at: int, end: int, start: Number) -> Number:
    value = start
    for place in range(at, end):
        value = (value ^ np.uint64(data[place])) * _FNV_PRIME
    # Between two texts, so that "ab", "c" is another pair than "a", "bc".
    return (value ^ np.uint64(255)) * _FNV_PRIME


@compiled
def _after(data: Bytes, at: int) -> Number:
    """Return where the value ends that begins there; below 0 for one that is neither a number nor a text nor nil."""
    kind = data[at]
    if kind < 0x80 or kind >= 0xE0 or 0xC0 <= kind <= 0xC3:
        return at + 1
    if 0xA0 <= kind <= 0xBF:
        return at + 1 + (kind - 0xA0)
    if kind == 0xD9 or kind == 0xC4:
        return at + 2 + np.int64(data[at + 1])
    if 0xCC <= kind <= 0xCF:
        return at + 1 + (1 << (kind - 0xCC))
    if 0xD0 <= kind <= 0xD3:
        return at + 1 + (1 << (kind - 0xD0))
    return -1


@compiled
def _text(data: Bytes, at: int) -> Number:
    """Return where the characters of a short text begin; below 0 if it is none."""
    kind = data[at]
    if 0xA0 <= kind <= 0xBF:
        return at + 1
    return at + 2 if kind == 0xD9 else -1


@compiled
def _moment(data: Bytes, at: int) -> Number:
    kind = data[at]
    if kind == 0xCF or kind == 0xD3:
        return np.int64(_number(data, at + 1, 8))
    if kind == 0xCE:
        return np.int64(_number(data, at + 1, 4))
    return np.int64(-(2**63))


@compiled
def _place(known: NDArray[Any], value: Number) -> Number:
    for number in range(len(known)):
        if known[number] == value:
            return number
    return -1


@compiled
def _attempt(data: Bytes, at: int, refusals: Ids, classes: Ids, refused: bool) -> Number:
    """Return what an attempt is whose actor begins there, its class, and the class's hash."""
    channel = _after(data, at)
    after = _after(data, channel) if channel > 0 else -1
    hashed = np.uint64(0)
    if after > 0:
        hashed = _hash(data, channel, after, _FNV_START)
    for _ in range(3):
        after = _after(data, after) if after > 0 else -1
    purpose, after = after, _after(data, after) if after > 0 else -1
    if after < 0:
        return FOR_THE_CODEC, 0, hashed
    hashed = _hash(data, purpose, after, hashed)
    if refused:
        start, end = _text(data, after), _after(data, after)
        if start < 0:
            return FOR_THE_CODEC, 0, hashed
        if _place(refusals, _hash(data, start, end, _FNV_START)) < 0:
            return NOTHING, 0, hashed
    known = _place(classes, hashed)
    return (NEW_CLASS, 0, hashed) if known < 0 else (REFUSED if refused else ACCEPTED, known, hashed)


@compiled
def _body(data: Bytes, at: int, names: Ids, codes: Bytes, versions: Bytes, refusals: Ids, classes: Ids) -> Number:
    """Return what an event is, its moment, its class of use and that class's hash."""
    none, no_hash = np.int64(0), np.uint64(0)
    if not 0x90 <= data[at] <= 0x9F and data[at] != 0xDC:
        return FOR_THE_CODEC, none, 0, no_hash
    at += 1 if data[at] != 0xDC else 3
    start, end = _text(data, at), _after(data, at)
    if start < 0 or end < 0:
        return FOR_THE_CODEC, none, 0, no_hash
    name = _place(names, _hash(data, start, end, _FNV_START))
    if name < 0:
        return NOTHING, none, 0, no_hash
    code, moment = codes[name], _moment(data, end + 1)
    if code == FOR_THE_CODEC or data[end] != versions[name] or moment == -(2**63):
        return FOR_THE_CODEC, none, 0, no_hash
    if code != ACCEPTED and code != REFUSED:
        return code, moment, 0, no_hash
    kind, use_class, hashed = _attempt(data, _after(data, end + 1), refusals, classes, code == REFUSED)
    # The one that learns a new class has to know as what it is used.
    return kind, moment, use_class if kind != NEW_CLASS else code, hashed


@kept
def _scan(
    data: Bytes,
    names: Ids,
    codes: Bytes,
    versions: Bytes,
    refusals: Ids,
    classes: Ids,
    code: Bytes,
    at: Places,
    high: Ids,
    low: Ids,
    use_class: Bytes,
    class_hash: Ids,
    body: Places,
    length: Places,
) -> Number:
    place = row = 0
    while place < len(data):
        high[row], low[row] = _number(data, place, 8), _number(data, place + 8, 8)
        length[row], body[row] = np.int64(_number(data, place + 16, 4)), place + 20
        code[row], at[row], use_class[row], class_hash[row] = _body(
            data, place + 20, names, codes, versions, refusals, classes
        )
        place += 20 + length[row]
        row += 1
    return row


@kept
def insert(high: Ids, low: Ids, number: NDArray[np.int32], new_high: Ids, new_low: Ids, first: int) -> None:
    """Put ids, numbered from `first` on, into a table of open addressing that has room for them."""
    mask = np.uint64(len(number) - 1)
    for each in range(len(new_high)):
        slot = ((new_high[each] ^ (new_low[each] * _FNV_PRIME)) * _FNV_START >> np.uint64(20)) & mask
        while number[slot] != EMPTY:
            slot = (slot + np.uint64(1)) & mask
        high[slot], low[slot], number[slot] = new_high[each], new_low[each], first + each


@kept
def find(
    high: Ids, low: Ids, number: NDArray[np.int32], sought_high: Ids, sought_low: Ids, found: NDArray[np.int32]
) -> None:
    """Fill in the numbers of ids, EMPTY for one that has none."""
    mask = np.uint64(len(number) - 1)
    for each in range(len(sought_high)):
        slot = ((sought_high[each] ^ (sought_low[each] * _FNV_PRIME)) * _FNV_START >> np.uint64(20)) & mask
        while number[slot] != EMPTY and (high[slot] != sought_high[each] or low[slot] != sought_low[each]):
            slot = (slot + np.uint64(1)) & mask
        found[each] = number[slot]


def text_hashes(texts: list[str]) -> Ids:
    """Return the hashes of texts by themselves, as the scan makes them of names."""
    return np.array([_text_hash(text.encode()) for text in texts], np.uint64)


def _text_hash(text: bytes) -> int:
    value = int(_FNV_START)
    for each in (*text, 255):
        value = (value ^ each) * int(_FNV_PRIME) % 2**64
    return value


_ALL = (*_SHORT_READ, *_DECODED)
_NAMES = text_hashes([EVENT_TYPES[each].name for each in _ALL])
_VERSIONS = np.array([EVENT_TYPES[each].version for each in _ALL], np.uint8)
_CODES = np.array([_SHORT_READ.get(each, FOR_THE_CODEC) for each in _ALL], np.uint8)
_OF_THE_POLICY = text_hashes([each.value for each in OF_THE_POLICY])
