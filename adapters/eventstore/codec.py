"""Stored bytes: the canonical encoding of events and of heads.

An event's body is one msgpack array in fixed order: name, schema version, occurred_at in
microseconds, actor, channel, command id, policy, caused_by, then the event's own fields. What the
envelope says is not said again among the fields. The same event always gives the same bytes, and
bytes that would be written otherwise are refused: a proof speaks of bytes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache, lru_cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec

from sealbook.application.ports import LedgerDamaged, NewEvent
from sealbook.domain.catalogue import EVENT_TYPES, Aggregate, Event
from sealbook.domain.credential import Application, Credential, LinkedId, UseEvidence
from sealbook.domain.credential.standing import LastProof, Links, Lockout, UnlockMethods
from sealbook.domain.customer import CompanyUser, Customer, Proposal
from sealbook.domain.device import App, Device
from sealbook.domain.policy import Policy
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.renewal import Bounds, QualifyingUses, Term
from sealbook.domain.values import PolicyRef

HEAD_SCHEMA = 2
"""The version of the folds behind the heads: it grows when a state gains or changes a field."""

_IN_ENVELOPE = ("at", "channel", "policy")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Convert = Callable[[Any], Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Form:
    """How a value of one type is written as msgpack knows it, and read back."""

    write: Convert
    read: Convert


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedEvent:
    """What a body says; the row around it says the rest."""

    event: Event
    actor: str
    channel: str
    command_id: UUID | None
    caused_by: int | None


def encode_event(new: NewEvent) -> bytes:
    """Return the canonical body of an event."""
    return _body(new.event, new.actor, new.channel, new.command_id, new.caused_by)


def _body(event: Event, actor: str, channel: str, command_id: UUID | None, caused_by: int | None) -> bytes:
    kind = event.stored
    policy: PolicyRef | None = getattr(event, "policy", None)
    body = [
        kind.name,
        kind.version,
        to_microseconds(event.at),
        actor,
        getattr(event, "channel", channel),
        None if command_id is None else command_id.bytes,
        None if policy is None else str(policy),
        caused_by,
    ]
    cls: Any = type(event)
    own = (form.write(getattr(event, name)) for name, form in _own_fields(cls))
    return _pack([*body, *own])


def decode_event(body: bytes) -> DecodedEvent:
    """Return what a body says. Raises LedgerDamaged for bytes that `encode_event` did not write."""
    try:
        name, version, at, actor, channel, command_id, policy, caused_by, *own = msgspec.msgpack.decode(body)
        cls = _EVENT_CLASSES[name, version]
        known = {"at": from_microseconds(at), "channel": channel, "policy": policy and PolicyRef.parse(policy)}
        forms = _own_fields(cls)
        given = {each: known[each] for each in _IN_ENVELOPE if each in cls.__dataclass_fields__}
        read = {each: form.read(value) for (each, form), value in zip(forms, own, strict=True)}
        decoded = DecodedEvent(
            event=cls(**given, **read),
            actor=actor,
            channel=channel,
            command_id=None if command_id is None else UUID(bytes=command_id),
            caused_by=caused_by,
        )
        same = _body(decoded.event, actor, channel, decoded.command_id, caused_by) == body
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise LedgerDamaged("an event's body is not one that this version can have written") from error
    if not same:
        raise LedgerDamaged("an event's body says what it says in other bytes than this version writes")
    return decoded


def encode_head(state: Aggregate) -> bytes:
    """Return the bytes of a head: schema version, aggregate, then its fields in order."""
    if state is None:
        return _pack([HEAD_SCHEMA, None])
    cls: Any = type(state)
    return _pack([HEAD_SCHEMA, _AGGREGATE_NAMES[cls], *_form_of(cls).write(state)])


def decode_head(stored: bytes) -> Aggregate:
    """Return the state of a head. Raises LedgerDamaged for a head of another schema."""
    try:
        schema, name, *values = msgspec.msgpack.decode(stored)
        if schema == HEAD_SCHEMA:
            return None if name is None else cast("Aggregate", _form_of(_AGGREGATES[name]).read(values))
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise LedgerDamaged("a head is not one that this version can have written: run sealbook fsck") from error
    raise LedgerDamaged(
        f"a head is of schema {schema}, this version folds schema {HEAD_SCHEMA}: use the version that wrote it"
    )


def to_microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(stored: int) -> datetime:
    return _EPOCH + stored * _MICROSECOND


_pack = msgspec.msgpack.Encoder().encode
_EVENT_CLASSES: dict[tuple[str, int], Any] = {(kind.name, kind.version): cls for cls, kind in EVENT_TYPES.items()}
_RECORDS: tuple[Any, ...] = (
    *(Application, Credential, Customer, Device, Policy),
    *(App, Bounds, CompanyUser, LastProof, LinkedId, Links, Lockout),
    *(Proposal, QualifyingUses, Term, UnlockMethods, UseEvidence),
)
_AGGREGATES: dict[str, type] = {
    "application": Application,
    "credential": Credential,
    "customer": Customer,
    "device": Device,
    "policy": Policy,
}
_AGGREGATE_NAMES = {cls: name for name, cls in _AGGREGATES.items()}


@cache
def _own_fields(cls: Any) -> tuple[tuple[str, _Form], ...]:  # noqa: ANN401 (any dataclass)
    return tuple((name, form) for name, form in _fields(cls) if name not in _IN_ENVELOPE)


def _fields(cls: Any) -> list[tuple[str, _Form]]:  # noqa: ANN401 (any dataclass)
    hints = get_type_hints(cls)
    return [(each.name, _form_of(hints[each.name])) for each in fields(cls)]


def _same(value: T) -> T:
    return value


def _optional(form: _Form) -> _Form:
    return _Form(
        write=lambda value: None if value is None else form.write(value),
        read=lambda value: None if value is None else form.read(value),
    )


def _sequence(form: _Form, make: Convert) -> _Form:
    def write(values: Iterable[Any]) -> list[Any]:
        # Sets are written in order, so that equal states give equal bytes.
        return [form.write(value) for value in (sorted(values) if make is frozenset else values)]

    def read(values: list[Any]) -> object:
        return make([form.read(value) for value in values])

    return _Form(write=write, read=read)


def _pair(first: _Form, second: _Form) -> _Form:
    return _Form(
        write=lambda pair: [first.write(pair[0]), second.write(pair[1])],
        read=lambda pair: (first.read(pair[0]), second.read(pair[1])),
    )


def _record(cls: Any) -> _Form:  # noqa: ANN401 (any dataclass)
    forms = _fields(cls)
    names = [name for name, _ in forms]
    return _Form(
        write=lambda value: [form.write(getattr(value, name)) for name, form in forms],
        read=lambda values: cls(
            **dict(zip(names, (form.read(value) for (_, form), value in zip(forms, values, strict=True)), strict=True))
        ),
    )


@lru_cache(maxsize=256)
def _policy_document(document: str) -> RenewalPolicy:
    return RenewalPolicy.model_validate_json(document)


_PLAIN: dict[Any, _Form] = {
    str: _Form(_same, _same),
    int: _Form(_same, _same),
    bool: _Form(_same, _same),
    datetime: _Form(to_microseconds, from_microseconds),
    UUID: _Form(lambda value: value.bytes, lambda value: UUID(bytes=value)),
    PolicyRef: _Form(str, PolicyRef.parse),
    RenewalPolicy: _Form(lambda policy: policy.document, _policy_document),
}


@cache
def _form_of(hint: Any) -> _Form:  # noqa: ANN401 (a type hint has no type)
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is UnionType:
        (inner,) = (each for each in arguments if each is not NoneType)
        return _optional(_form_of(inner))
    if origin is tuple:
        return _sequence(_form_of(arguments[0]), tuple) if arguments[1] is ... else _pair(*map(_form_of, arguments))
    if origin is frozenset:
        return _sequence(_form_of(arguments[0]), frozenset)
    if origin is Literal:
        return _PLAIN[str]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _Form(lambda value: value.value, hint)
    if hint in _RECORDS:
        return _record(hint)
    raise TypeError(f"no form for {hint!r}: add one before storing such a field")
