"""Stored bytes: the canonical encoding of events and of heads.

An event's body is one msgpack array in fixed order: name, schema version, occurred_at in
microseconds, actor, channel, command id, policy, caused_by, then the event's own fields. What the
envelope says is not said again among the fields. The same event always gives the same bytes, since
a proof speaks of bytes: `decode_event` reads, `decode_canonical` also makes sure of that.

A head is ours to write anew at any time, so its form may change: its schema version tells.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from operator import itemgetter
from types import NoneType
from typing import Annotated, Any, NamedTuple, cast
from uuid import UUID

import msgspec

from sealbook.adapters.eventstore.codec_forms import Convert, Form, Forms, RecordForm, decoder, pack
from sealbook.application.ports import LedgerDamaged, NewEvent, Unavailable
from sealbook.domain.catalogue import EVENT_TYPES, Aggregate, Event
from sealbook.domain.credential import Application, Credential
from sealbook.domain.customer import Customer
from sealbook.domain.device import Device
from sealbook.domain.ledger import Ledger
from sealbook.domain.policy import Policy
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import PolicyRef

HEAD_SCHEMA = 4
"""The version of the folds behind the heads.

It grows when a state gains or changes a field, or a default that is a record; when a fold comes to
another state; and when heads change their form.
"""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNREADABLE = (msgspec.DecodeError, KeyError, ValueError, OverflowError, RecursionError)


class OutdatedHead(Exception):
    """A head is of an older schema than this version folds. Its stream's events are what it was folded from."""


class DecodedEvent(NamedTuple):
    """What a body says; the row around it says the rest."""

    event: Event
    actor: str
    channel: str
    command_id: UUID | None
    caused_by: int | None


# --- Events


def encode_event(new: NewEvent | DecodedEvent) -> bytes:
    """Return the canonical body of an event."""
    event = new.event
    cls: Any = type(event)
    form = _body_form(cls)
    envelope = (form.name, form.version, None, new.actor, new.channel, new.command_id, None, new.caused_by)
    return pack(form.arrange((*envelope, *form.record.write(event))))


def decode_event(body: bytes) -> DecodedEvent:
    """Return what a body says. Raises LedgerDamaged for bytes that are no event of the catalogue.

    The same might have been said in other bytes: where that matters, `decode_canonical` is for it.
    """
    try:
        start = _body_start(body)
        form = _body_form_of(start.name, start.version)
        said = form.decode(body)
        event = form.record.read(form.pick(said))
    except _UNREADABLE as error:
        raise LedgerDamaged("an event's body is not one that this version can have written") from error
    return DecodedEvent(event, said[_ACTOR], said[_CHANNEL], said[_COMMAND_ID], said[_CAUSED_BY])


def decode_canonical(body: bytes) -> DecodedEvent:
    """Return what a body says. Raises LedgerDamaged for bytes that `encode_event` did not write."""
    decoded = decode_event(body)
    if encode_event(decoded) != body:
        raise LedgerDamaged("an event's body says what it says in other bytes than this version writes")
    return decoded


# --- Heads


def encode_head(state: Aggregate) -> bytes:
    """Return the bytes of a head: schema version, aggregate, then its fields in order."""
    if state is None:
        return _NO_STATE
    cls: Any = type(state)
    form = _head_form(cls)
    return pack([HEAD_SCHEMA, form.name, *form.record.write(state)])


def decode_head(stored: bytes) -> Aggregate:
    """Return the state of a head.

    Raises OutdatedHead for a head of an older schema, Unavailable for one of a newer schema, and
    LedgerDamaged for bytes that are no head.
    """
    if stored == _NO_STATE:
        return None
    try:
        start = _head_start(stored)
        if start.schema == HEAD_SCHEMA:
            form = _head_form(_AGGREGATES[str(start.name)])
            return cast("Aggregate", form.record.read(form.decode(stored)[2:]))
    except _UNREADABLE as error:
        raise LedgerDamaged("a head is not one that this version can have written: run sealbook fsck") from error
    if start.schema > HEAD_SCHEMA:
        raise Unavailable(f"a head of schema {start.schema} was written by a newer version: use a newer sealbook")
    raise OutdatedHead(f"a head is of schema {start.schema}, this version folds schema {HEAD_SCHEMA}")


# --- Values


def to_microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(stored: int) -> datetime:
    return _EPOCH + stored * _MICROSECOND


# Few versions of policies are in force, and each event and head names one.
_policy_ref = lru_cache(maxsize=1024)(PolicyRef.parse)


@lru_cache(maxsize=256)
def _policy_document(document: str) -> RenewalPolicy:
    return RenewalPolicy.model_validate_json(document)


_OURS = {
    PolicyRef: Form(str, str, _policy_ref),
    RenewalPolicy: Form(str, lambda policy: policy.document, _policy_document),
}
_IN_EVENTS = Forms(_OURS | {datetime: Form(int, to_microseconds, from_microseconds)}, short=False)
# A moment of a head is a timestamp of msgpack's own: nothing converts it, and a whole second is shorter.
_IN_HEADS = Forms(_OURS | {datetime: Form(Annotated[datetime, msgspec.Meta(tz=True)])}, short=True)

# --- Bodies and heads, by class

_AT, _ACTOR, _CHANNEL, _COMMAND_ID, _POLICY, _CAUSED_BY, _OWN = 2, 3, 4, 5, 6, 7, 8
_IN_ENVELOPE = {"at": _AT, "channel": _CHANNEL, "policy": _POLICY}
"""Where the envelope says a field of an event; its other fields follow from _OWN on."""

_EVENT_CLASSES: dict[tuple[str, int], Any] = {(kind.name, kind.version): cls for cls, kind in EVENT_TYPES.items()}
_AGGREGATES: dict[str, type] = {
    "application": Application,
    "credential": Credential,
    "customer": Customer,
    "device": Device,
    "ledger": Ledger,
    "policy": Policy,
}
_AGGREGATE_NAMES: dict[type, str] = {cls: name for name, cls in _AGGREGATES.items()}
_NO_STATE = pack([HEAD_SCHEMA, None])


class _BodyStart(msgspec.Struct, array_like=True, frozen=True):
    name: str
    version: int


class _HeadStart(msgspec.Struct, array_like=True, frozen=True):
    """All that heads of every schema have in common is their first element."""

    schema: int
    name: object = None


_body_start = msgspec.msgpack.Decoder(_BodyStart).decode
_head_start = msgspec.msgpack.Decoder(_HeadStart).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class _BodyForm:
    """The bodies of one class of events.

    `arrange` puts an envelope and the event's fields behind it in the order of a body, `pick` takes
    the event's fields out of one.
    """

    name: str
    version: int
    record: RecordForm
    arrange: Convert
    pick: Convert
    decode: Callable[[bytes], tuple[Any, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _HeadForm:
    name: str
    record: RecordForm
    decode: Callable[[bytes], tuple[Any, ...]]


@cache
def _body_form(cls: Any) -> _BodyForm:  # noqa: ANN401 (any class of events)
    names = [each.name for each in fields(cls)]
    in_envelope = [name for name in _IN_ENVELOPE if name in names]
    own = [name for name in names if name not in _IN_ENVELOPE]
    places: tuple[int, ...] = (*(_IN_ENVELOPE[name] for name in in_envelope), *range(_OWN, _OWN + len(own)))
    record = _IN_EVENTS.record(cls, (*in_envelope, *own))
    wires: list[Any] = [str, int, int, str, str, UUID | None, NoneType, int | None, *own]
    sources = list(range(len(wires)))
    for number, (place, wire) in enumerate(zip(places, record.wires, strict=True)):
        wires[place], sources[place] = wire, _OWN + number
    return _BodyForm(
        name=cls.stored.name,
        version=cls.stored.version,
        record=record,
        arrange=itemgetter(*sources),
        # The getter of a single item returns it bare; then it is the one that every event has.
        pick=itemgetter(*places) if len(places) > 1 else lambda said: (said[_AT],),
        decode=decoder(wires),
    )


@cache
def _body_form_of(name: str, version: int) -> _BodyForm:
    return _body_form(_EVENT_CLASSES[name, version])


@cache
def _head_form(cls: Any) -> _HeadForm:  # noqa: ANN401 (any state)
    record = _IN_HEADS.record(cls, (each.name for each in fields(cls)))
    return _HeadForm(name=_AGGREGATE_NAMES[cls], record=record, decode=decoder([int, str, *record.wires]))
