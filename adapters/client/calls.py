"""Calls: what is sent, as a value, and what comes back. Whoever sends one may send it again: it stays the same."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar, cast
from urllib.parse import quote, urlencode
from uuid import UUID

import httpx
import msgspec

from sealbook.adapters.client.results import Done
from sealbook.adapters.ids import new_id

T = TypeVar("T")
D = TypeVar("D", bound=Done)
Ref = str | UUID
"""An id, or the bank's own name."""
Json = Mapping[str, Any]
_ONLY_DOTS = frozenset({".", ".."})


class How(TypedDict, total=False):
    """What every command takes: an Idempotency-Key of the caller's own, and the version that must be present."""

    key: UUID
    if_version: int


class Seen(TypedDict, total=False):
    """What every look takes: as of when, by what was known when, and why somebody of the staff looks."""

    as_of: datetime
    known_at: datetime
    reason: str


class Answer(NamedTuple):
    """An answer that came whole."""

    status: int
    headers: httpx.Headers
    content: bytes

    def __repr__(self) -> str:
        # The content may be a seed's address.
        return f"Answer({self.status})"


def _always(_result: object) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """A call. Its content may hold a code, its path a name: it does not show them.

    `read` makes the result of an answer. One that is not `settled` is asked for again. A call that is not
    `repeatable` is not sent again when nobody knows whether it was carried out.
    """

    method: str
    path: str = field(repr=False)
    read: Callable[[Answer], T] = field(repr=False)
    content: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    key: UUID | None = None
    settled: Callable[[T], bool] = field(default=_always, repr=False)
    repeatable: bool = True


@cache
def _decoder(result: Hashable) -> Any:  # noqa: ANN401 (a decoder of any type)
    return msgspec.json.Decoder(result)


def decoded(result: type[T], content: bytes) -> T:
    """Return what JSON says, as a type has it. Raises msgspec.MsgspecError, UnicodeDecodeError."""
    told: T = _decoder(cast("Hashable", result)).decode(content)
    return told


def as_done(result: type[D]) -> Callable[[Answer], D]:
    """Return what reads the answer to a command; a header says that it is the first one's again."""

    def read(answer: Answer) -> D:
        done = decoded(result, answer.content)
        return msgspec.structs.replace(done, repeated=answer.headers.get("idempotent-replayed") == "true")

    return read


def as_told(result: type[T]) -> Callable[[Answer], T]:
    return lambda answer: decoded(result, answer.content)


def thing(of: str, ref: Ref, verb: str = "") -> str:
    """Return the address of a customer, device or credential, or of what is done with it."""
    text = str(ref)
    # An address without dots alone in it: those would be taken for the way upwards.
    name = quote(f"name:{text}" if text in _ONLY_DOTS else text, safe="")
    return f"/v1/{of}/{name}{'/' + verb if verb else ''}"


def body(**said: object) -> bytes:
    """Return a body of what was said; what is None was not."""
    return msgspec.json.encode({name: value for name, value in said.items() if value is not None})


def command(path: str, content: bytes, how: How, *, read: Callable[[Answer], T], repeatable: bool = True) -> Call[T]:
    """Return a call that changes something. Without a key it gets one, for as often as it is sent."""
    _check_known(how, How)
    key, version = how.get("key") or new_id(), how.get("if_version")
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(key)}
    if version is not None:
        headers["If-Match"] = f'"{version}"'
    return Call(method="POST", path=path, read=read, content=content, headers=headers, key=key, repeatable=repeatable)


def done(path: str, how: How, **said: object) -> Call[Done]:
    """Return a command of which is told what it did."""
    return command(path, body(**said), how, read=as_done(Done))


def look(
    path: str,
    seen: Seen,
    *,
    read: Callable[[Answer], T],
    headers: Mapping[str, str] | None = None,
    asked: Mapping[str, object] | None = None,
) -> Call[T]:
    """Return a call that changes nothing but, if somebody of the staff looks, the record of who looked.

    `asked` is what else the address says. Raises ValueError for a reason or a moment that cannot be sent.
    """
    _check_known(seen, Seen)
    told: Mapping[str, object] = {**seen, **(asked or {})}
    query = {name: _asked(value) for name, value in told.items() if name != "reason" and value is not None}
    address = f"{path}?{urlencode(query)}" if query else path
    reason = seen.get("reason")
    if reason is not None and not (reason.isascii() and reason.isprintable()):
        raise ValueError("a reason is one line of printable ASCII: a reference, like 'complaint 7'")
    said = {**(headers or {}), **({} if reason is None else {"Access-Reason": reason})}
    return Call(method="GET", path=address, read=read, headers=said)


def _check_known(said: Mapping[str, object], words: type) -> None:
    """Raise TypeError for a word that means nothing: an id or a guard that was misspelt would be lost unseen."""
    unknown = said.keys() - words.__annotations__.keys()
    if unknown:
        raise TypeError(
            f"unexpected: {', '.join(sorted(unknown))}; expected some of {', '.join(words.__annotations__)}"
        )


def _asked(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime() if value.utcoffset() is None:
            raise ValueError("a moment has an offset: datetime(..., tzinfo=UTC)")
        case datetime():
            return value.isoformat()
        case _:
            return str(value)
