"""Commands and answers as they cross from one process of ours to another, in msgpack.

A record stands as its fields in order, without names. One of several classes stands as `[class, fields]`. Both
processes run the same version; bytes of another one are told from a command by their classes and shapes.
"""

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple, get_args

import msgspec

from sealbook.adapters.eventstore.codec_forms import Convert, Form, Forms, decoder, pack
from sealbook.adapters.writer.port import Answered
from sealbook.application import requests
from sealbook.application.commands import Command, Request
from sealbook.application.names import Name, Ref
from sealbook.domain import credential, ledger
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import PolicyRef

UNIONS: tuple[Any, ...] = (
    Request,
    requests.OwnOfCustomer,
    requests.OwnOfDevice,
    requests.OwnOfApplication,
    requests.OwnOfCredential,
    requests.OwnOfPolicy,
    credential.Fact,
    ledger.Command,
)
"""Where one of several classes may stand."""


class Unreadable(Exception):
    """Bytes are no command or reply that this version can have written. `number` is the command's, if that much is."""

    def __init__(self, what: str, number: int | None = None) -> None:
        super().__init__(f"what came is no {what} that this version can have written")
        self.number = number


class Trouble(NamedTuple):
    """Why a command has no answer."""

    kind: Literal["busy", "unavailable", "unknown", "damaged", "defect"]
    message: str
    retry_after_seconds: float | None = None


class Reply(NamedTuple):
    """What became of the command with this number: an answer, or why there is none."""

    number: int
    answered: Answered | None
    trouble: Trouble | None = None


def encode_command(number: int, command: Command) -> bytes:
    """Return a command with the number that its reply will have.

    Raises TypeError, ValueError, KeyError or AttributeError for a command with values that no field of its may have.
    """
    return pack((number, _COMMAND.write(command)))


def decode_command(frame: bytes) -> tuple[int, Command]:
    """Return a command and its number. Raises Unreadable."""
    try:
        number, said = _decode_command(frame)
        return number, _COMMAND.read(said)
    except _UNREADABLE as error:
        raise Unreadable("command", _number_of(frame)) from error


def encode_reply(reply: Reply) -> bytes:
    return pack(reply)


def decode_reply(frame: bytes) -> Reply:
    """Return a reply. Raises Unreadable."""
    try:
        return _decode_reply(frame)
    except _UNREADABLE as error:
        raise Unreadable("reply") from error


_UNREADABLE = (msgspec.DecodeError, KeyError, ValueError, OverflowError, RecursionError)
_TUPLE: Any = tuple


def _number_of(frame: bytes) -> int | None:
    try:
        number: int = _decode_number(frame)[0]
    except _UNREADABLE:
        return None
    return number


def _moment(value: datetime) -> datetime | str:
    # A moment's offset is part of what a repeated command is compared by, and a timestamp would lose it.
    return value if value.tzinfo is UTC else value.isoformat()


def _policy(document: str) -> RenewalPolicy:
    return RenewalPolicy.model_validate_json(document)


def _one_of(union: Any) -> Form:  # noqa: ANN401 (a type hint has no type)
    """Return the form of a value of one of several classes."""
    classes: dict[str, type] = {each.__name__: each for each in get_args(union)}
    made: dict[str, tuple[Convert, Callable[[bytes], Any], Convert]] = {}

    def form_of(name: str) -> tuple[Convert, Callable[[bytes], Any], Convert]:
        cls = classes[name]
        record = _FORMS.record(cls, (each.name for each in fields(cls)))
        made[name] = (record.write, decoder(record.wires), record.read)
        return made[name]

    def write(value: object) -> tuple[str, Any]:
        name = type(value).__name__
        return name, (made.get(name) or form_of(name))[0](value)

    def read(said: tuple[str, Any]) -> object:
        _, decode, read_record = made.get(said[0]) or form_of(said[0])
        return read_record(decode(said[1]))

    return Form(_TUPLE[str, msgspec.Raw], write, read)


_FORMS = Forms(
    {
        **{union: _one_of(union) for union in UNIONS},
        # What msgspec reads and writes itself: names stand as [kind, value].
        **{each: Form(each) for each in (bytes, Name, Name | None, Ref, Ref | None)},
        datetime: Form(Annotated[datetime, msgspec.Meta(tz=True)], _moment),
        PolicyRef: Form(str, str, lru_cache(maxsize=1024)(PolicyRef.parse)),
        RenewalPolicy: Form(str, lambda policy: policy.document, lru_cache(maxsize=256)(_policy)),
    },
    short=True,
)
_COMMAND = _FORMS.record(Command, (each.name for each in fields(Command)))
_decode_command = decoder((int, _TUPLE[_COMMAND.wires]))
_decode_number = decoder((int, msgspec.Raw))
_decode_reply = msgspec.msgpack.Decoder(Reply).decode
