"""A large ledger in minutes: rows made by the ledger's own codec and keys, copied in by the superuser.

What the append would have written, but for the names: fsck finds nothing wrong with it. The
credentials of a block lived alike, by the ledger's own rules, and their events are interleaved.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from multiprocessing import get_context
from random import Random
from typing import NamedTuple
from uuid import UUID

from psycopg import Connection

from benchmarks.adopting import adopt
from benchmarks.callers import Place
from benchmarks.ledger import adopt_policy
from sealbook.adapters.eventstore.codec import encode_event, encode_head
from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.adapters.eventstore.postgres import connected
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.adapters.ids import new_id
from sealbook.adapters.keys.port import Keys
from sealbook.application.commands import Command, day_said_by, targets
from sealbook.application.ledger import execute
from sealbook.application.ports import NewEvent
from sealbook.application.requests import OnCredential
from sealbook.domain import credential, customer
from sealbook.domain.catalogue import Event, RecordedEvent
from sealbook.domain.credential import Issued, Use, Used
from sealbook.domain.customer import CredentialOpened

EVENTS_A_CREDENTIAL = 10
EVENTS_A_CUSTOMER = 2
EVENTS_A_HOLDING = EVENTS_A_CREDENTIAL + EVENTS_A_CUSTOMER
BLOCK = 1_000
PROCESSES = 3
YOUNGEST, OLDEST = timedelta(days=100), timedelta(days=300)
"""How long ago credentials were issued: none is so old that a use renews it."""
BETWEEN_USES = timedelta(days=7)
SALT_BYTES = 16
MICROSECOND = timedelta(microseconds=1)
EPOCH = date(1970, 1, 1)

Row = tuple[object, ...]


class Table(NamedTuple):
    columns: str
    types: tuple[str, ...]


EVENTS = Table(
    "sealbook.events (position, recorded_at, stream, version, book, salt, mac, body)",
    ("int8", "timestamptz", "uuid", "int4", "int2", "bytea", "bytea", "bytea"),
)
HEADS = Table(
    "sealbook.heads (book, stream, version, latest_at, state)", ("int2", "uuid", "int4", "timestamptz", "bytea")
)
COMMANDS = Table(
    "sealbook.commands (book, command, day, digest, stream, position)",
    ("int2", "uuid", "date", "bytea", "uuid", "int8"),
)


@dataclass(frozen=True, slots=True)
class Holding:
    customer: UUID
    credential: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Credentials that were issued at one moment, and where the log goes on with their events."""

    credentials: int
    issued_at: datetime
    recorded_at: datetime
    after: int


def filled(place: Place, credentials: int) -> list[UUID]:
    """Add credentials of ten events each to a ledger that holds its policy; return their ids.

    Nobody else may write meanwhile. The command ids of all but the last use are gone, as if the
    partitions of their days had been dropped.
    """
    with connected(place.dsn) as connection:
        ((last, recorded_at),) = connection.execute("SELECT position, recorded_at FROM sealbook.books").fetchall()
        blocks = list(_blocks(credentials, last, recorded_at))
        with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
            ids = b"".join(pool.map(partial(_fill, place), blocks))
        connection.execute(
            "UPDATE sealbook.books SET position = %s, recorded_at = %s",
            [last + credentials * EVENTS_A_HOLDING, blocks[-1].recorded_at],
        )
        # In a ledger that grew by itself, autovacuum has long been there.
        connection.execute("VACUUM (ANALYZE) sealbook.events, sealbook.heads, sealbook.commands")
        connection.execute("CHECKPOINT")
    return [UUID(bytes=ids[start : start + 16]) for start in range(0, len(ids), 16)]


def _blocks(credentials: int, last: int, recorded_at: datetime) -> Iterator[Block]:
    now = datetime.now(UTC)
    for number, start in enumerate(range(0, credentials, BLOCK)):
        yield Block(
            credentials=min(BLOCK, credentials - start),
            issued_at=now - OLDEST + (OLDEST - YOUNGEST) * start / credentials,
            recorded_at=recorded_at + (number + 1) * MICROSECOND,
            after=last + start * EVENTS_A_HOLDING,
        )


def _fill(place: Place, block: Block) -> bytes:
    """Copy one block in; return the ids of its credentials, joined."""
    holdings = [Holding(new_id(), new_id()) for _ in range(block.credentials)]
    life = _life(block.issued_at)
    last_uses = [_use(holding.credential, life[-1].event.at, new_id()) for holding in holdings]
    with connected(place.dsn) as connection, connection.transaction():
        _copy(connection, EVENTS, _events(place.keys, block, holdings, life, last_uses))
        _copy(connection, HEADS, _heads(holdings, life))
        _copy(connection, COMMANDS, _commands(block, last_uses))
    return b"".join(holding.credential.bytes for holding in holdings)


def _life(issued_at: datetime) -> list[RecordedEvent]:
    """Return the events of a customer and its credential, as the ledger's own rules make them."""
    store, stream = MemoryEventStore(clock=lambda: issued_at), new_id()
    moments = (issued_at + number * BETWEEN_USES for number in range(1, EVENTS_A_CREDENTIAL))
    uses = [_use(stream, at, None) for at in moments]
    (first, *_) = execute(store, [adopt_policy(issued_at), adopt(stream, issued_at), *uses])
    life = store.read(after=first.position or 0, limit=2 * EVENTS_A_HOLDING)
    if len(life) != EVENTS_A_HOLDING:
        raise RuntimeError(f"the rules made {len(life)} events of a life, not {EVENTS_A_HOLDING}")
    return life


def _use(stream: UUID, at: datetime, command_id: UUID | None) -> Command:
    request = OnCredential(credential=stream, command=Use(at=at))
    return Command(request=request, command_id=command_id, actor="holder", channel="app")


def _for(holding: Holding, event: Event) -> tuple[UUID, Event]:
    """Return the stream of an event of the life, and the event as this holding has it."""
    match event:
        case Issued():
            return holding.credential, replace(event, customer=holding.customer)
        case Used():
            return holding.credential, event
        case CredentialOpened():
            return holding.customer, replace(event, credential=holding.credential)
        case _:
            return holding.customer, event


def _events(
    keys: Keys,
    block: Block,
    holdings: Sequence[Holding],
    life: Sequence[RecordedEvent],
    last_uses: Sequence[Command],
) -> Iterator[Row]:
    """Yield the block's events: everybody's first, then everybody's second, as a bank's days go by."""
    random, position = Random(block.after), block.after
    for lived in life:
        used, last = isinstance(lived.event, Used), lived is life[-1]
        for holding, last_use in zip(holdings, last_uses, strict=True):
            position += 1
            stream, event = _for(holding, lived.event)
            new = NewEvent(
                stream=stream,
                version=lived.version,
                actor=lived.actor,
                channel=lived.channel,
                command_id=(last_use.command_id if last else new_id()) if used else None,
                caused_by=None,
                event=event,
            )
            salt, body = random.randbytes(SALT_BYTES), encode_event(new)
            mac = keys.mac(book=BOOK, stream=stream.bytes, version=new.version, salt=salt, body=body)
            yield position, block.recorded_at, stream, new.version, BOOK, salt, mac, body


def _heads(holdings: Sequence[Holding], life: Sequence[RecordedEvent]) -> Iterator[Row]:
    # All that the state of a credential says of its holding is the customer: it is folded once.
    folded = (lived.event for lived in life if isinstance(lived.event, credential.Event))
    used, opened_at, used_at = credential.begun(credential.fold(folded)), life[0].event.at, life[-1].event.at
    for holding in holdings:
        own = (_for(holding, lived.event)[1] for lived in life)
        holder = customer.fold(event for event in own if isinstance(event, customer.Event))
        yield BOOK, holding.customer, EVENTS_A_CUSTOMER, opened_at, encode_head(holder)
        state = encode_head(replace(used, customer=holding.customer))
        yield BOOK, holding.credential, EVENTS_A_CREDENTIAL, used_at, state


def _commands(block: Block, last_uses: Sequence[Command]) -> Iterator[Row]:
    first = block.after + (EVENTS_A_HOLDING - 1) * block.credentials + 1
    for position, command in enumerate(last_uses, first):
        (stream,), id_ = targets(command.request), command.command_id
        day = None if id_ is None else day_said_by(id_)
        if day is not None:
            yield BOOK, id_, EPOCH + timedelta(days=day), command.digest(), stream, position


def _copy(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    with connection.cursor().copy(f"COPY {table.columns} FROM STDIN (FORMAT BINARY)".encode()) as copy:
        copy.set_types(table.types)
        for row in rows:
            copy.write_row(row)
