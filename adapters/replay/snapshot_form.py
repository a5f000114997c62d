"""The form of a replay snapshot: a Parquet file, a row a chain, a row group a partition; and its digest.

Attempts and facts are lists of seconds, so a column is already what an engine reads. The days are derived from
the attempts and kept beside them: an engine that needs no more reads a tenth.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, NamedTuple

import msgspec
import numpy as np

from sealbook.adapters.replay.contract import UseClasses
from sealbook.adapters.replay.moments import DAY_SECONDS, seconds_of
from sealbook.adapters.replay.snapshot_arrow import Table, arrow, bits, flat, listed
from sealbook.adapters.replay.snapshot_days import Span, day_words
from sealbook.domain.policy_document import RenewalPolicy

SCHEMA = 2
"""Grows with every change of the columns or of what stands in them."""
CHAINS_A_PARTITION, ATTEMPTS_A_PARTITION = 32_768, 2**23
"""A partition has no more of either, unless one customer has: so much is in memory at once."""
CODES_MAX, POLICIES_MAX = 2**8, 2**16
OWN_SWITCH = np.uint32(2**31)
"""Marks a switch that the policy in force made by itself: a replay of another policy has no part in it."""
METADATA = b"sealbook.replay"

_SCALARS = {
    "key": arrow.uint64(),
    "customer": arrow.int64(),
    "kind": arrow.uint8(),
    "holder": arrow.uint8(),
    "channel": arrow.uint8(),
    "policy": arrow.uint16(),
    "imported": arrow.bool_(),
    "issued_at": arrow.int32(),
}
_TEXTS = {"name": arrow.string(), "members": arrow.list_(arrow.string())}
LISTS = {
    "accepted": arrow.int32(),
    "accepted_class": arrow.uint8(),
    "refused": arrow.int32(),
    "refused_class": arrow.uint8(),
    "fact_at": arrow.int32(),
    "fact_kind": arrow.uint8(),
    "fact_place": arrow.int32(),
    "fact_detail": arrow.uint32(),
    "renewals": arrow.int32(),
    "lapses": arrow.int32(),
}
KNOWN = arrow.schema({**_SCALARS, **_TEXTS, **{name: arrow.list_(each) for name, each in LISTS.items()}})
"""What is known of chains. `members` are the names of the credentials that followed the first, whose name is `name`."""


class BadSnapshot(Exception):
    """A snapshot that cannot be read, made or gone on with. The message is one line and names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What holds for all chains of a snapshot.

    `source` tells the ledger or file from others. Attempts lie in [`first_attempt`, `last_attempt`], in seconds;
    without any, both are 0. `later` is how many events were left out because they lie after `as_of`.
    """

    source: str
    position: int | None
    as_of: datetime
    later: int
    first_attempt: int
    last_attempt: int
    kinds: tuple[str, ...]
    holders: tuple[str, ...]
    channels: tuple[str, ...]
    use_classes: UseClasses
    policies: tuple[RenewalPolicy, ...]

    @property
    def span(self) -> Span:
        """The days of which chains have bits."""
        return Span.of(self.first_attempt, self.last_attempt)


class Piece(NamedTuple):
    """Where in a file the bytes of a partition end, which begin where those of the one before end; and their CRC-32.

    A flipped bit shows by it at little cost. It is no part of the digest: equal content may be compressed otherwise.
    """

    end: int
    checksum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a snapshot says of itself. `groups` are the checksums of its partitions' content."""

    known: Known
    chains: int
    customers: int
    attempts: int
    truncated: int
    groups: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over all that is said and the content of all partitions, in hexadecimal."""
        return hashlib.sha256(_written(self).encode()).hexdigest()

    def metadata(self, pieces: Sequence[Piece]) -> dict[bytes, bytes]:
        """Return what stands at the end of a file with these pieces, one of each partition."""
        return {METADATA: json.dumps({"digest": self.digest, "said": _written(self), "pieces": pieces}).encode()}


def said_in(metadata: dict[bytes, bytes] | None) -> tuple[Said, Sequence[Piece]]:
    """Return what a snapshot says of itself, and its pieces. Raises BadSnapshot without the file's name."""
    held = (metadata or {}).get(METADATA)
    if held is None:
        raise BadSnapshot("not a replay snapshot")
    try:
        outer = msgspec.json.decode(held, type=_Outer)
        schema = msgspec.json.decode(outer.said, type=_Schema).schema
        if schema != SCHEMA:
            raise BadSnapshot(f"a snapshot of schema {schema}, this version reads {SCHEMA}: make it anew")
        said = _read(msgspec.json.decode(outer.said, type=_Inner))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadSnapshot("a damaged snapshot: what it says of itself cannot be read: make it anew") from error
    if said.digest != outer.digest:
        raise BadSnapshot("a damaged snapshot: its digest is not that of what it says of itself: make it anew")
    if len(outer.pieces) != len(said.groups):
        raise BadSnapshot("a damaged snapshot: it has not the partitions that it says: make it anew")
    return said, [Piece(*each) for each in outer.pieces]


_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Second = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
_Names = Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]


class _Outer(msgspec.Struct):
    digest: str
    said: str
    pieces: list[tuple[_Count, _Count]] = []


class _Schema(msgspec.Struct):
    schema: int


class _Inner(msgspec.Struct, forbid_unknown_fields=True):
    """What `_written` writes, each of its sort."""

    schema: int
    source: str
    position: _Count | None
    as_of: Annotated[datetime, msgspec.Meta(tz=True)]
    later: _Count
    first_attempt: _Second
    last_attempt: _Second
    kinds: _Names
    holders: _Names
    channels: tuple[str, ...]
    use_classes: Annotated[tuple[tuple[str, str | None], ...], msgspec.Meta(min_length=1)]
    policies: tuple[str, ...]
    chains: _Count
    customers: _Count
    attempts: _Count
    truncated: _Count
    groups: tuple[str, ...]


def _written(said: Said) -> str:
    known = said.known
    document = {
        "schema": SCHEMA,
        "source": known.source,
        "position": known.position,
        "as_of": known.as_of.isoformat(),
        "later": known.later,
        "first_attempt": known.first_attempt,
        "last_attempt": known.last_attempt,
        "kinds": known.kinds,
        "holders": known.holders,
        "channels": known.channels,
        "use_classes": known.use_classes.of,
        "policies": [policy.document for policy in known.policies],
        "chains": said.chains,
        "customers": said.customers,
        "attempts": said.attempts,
        "truncated": said.truncated,
        "groups": said.groups,
    }
    return json.dumps(document, sort_keys=True)


def _read(inner: _Inner) -> Said:
    """Return what is said. Raises ValueError for what no snapshot says."""
    seconds_of(inner.as_of)
    if inner.last_attempt < inner.first_attempt or (inner.chains and not (inner.policies and inner.channels)):
        raise ValueError("chains without a policy or a channel, or attempts that end before they begin")
    known = Known(
        source=inner.source,
        position=inner.position,
        as_of=inner.as_of,
        later=inner.later,
        first_attempt=inner.first_attempt,
        last_attempt=inner.last_attempt,
        kinds=inner.kinds,
        holders=inner.holders,
        channels=inner.channels,
        use_classes=UseClasses(of=inner.use_classes),
        policies=tuple(RenewalPolicy.model_validate_json(each) for each in inner.policies),
    )
    return Said(
        known=known,
        chains=inner.chains,
        customers=inner.customers,
        attempts=inner.attempts,
        truncated=inner.truncated,
        groups=inner.groups,
    )


def stored(table: Table, known: Known) -> Table:
    """Return a table of known chains with what a file holds besides: what follows from it, and is read in its place."""
    accepted, refused = listed(table["accepted"]), listed(table["refused"])
    attempted, refused_first = day_words(accepted, refused, known.span)
    # Whose history came from elsewhere and began before the day on which the first known attempt was.
    before = flat(table["issued_at"]) < known.first_attempt // DAY_SECONDS * DAY_SECONDS
    return (
        table.append_column("truncated", arrow.array(flat(table["imported"]) & before))
        .append_column("attempted_days", bits(attempted))
        .append_column("refused_days", bits(refused_first))
    )


def content_checksum(table: Table) -> str:
    """Return the SHA-256 of what a table of known chains says, however it is stored."""
    digest = hashlib.sha256()
    for name in _SCALARS:
        digest.update(np.ascontiguousarray(flat(table[name])).tobytes())
    for name in _TEXTS:
        digest.update(json.dumps(table[name].to_pylist()).encode())
    for name in LISTS:
        begin, values = listed(table[name])
        digest.update(begin.tobytes())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def plain_only(use_classes: UseClasses) -> bool:
    return len(use_classes.of) == 1


def nothing_known() -> Table:
    return KNOWN.empty_table()


def check_room(held: Sequence[object], most: int, what: str) -> None:
    """Raise BadSnapshot when no more fit."""
    if len(held) >= most:
        raise BadSnapshot(f"more than {most:,} different {what}: a snapshot has no numbers left for them")
