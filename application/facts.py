"""The language of a facts file: one line, one fact (design: the command line's contract)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple, TypeGuard, TypeVar, cast

from sealbook.domain import credential
from sealbook.domain.calendar import EARLIEST, LATEST
from sealbook.domain.credential import Fact
from sealbook.domain.values import Kind, PolicyRef, SwitchMode

COLUMNS = (
    "at",
    "credential",
    "fact",
    "customer",
    "kind",
    "channel",
    "purpose",
    "reason",
    "policy",
    "mode",
    "expires_at",
)
USE_COLUMNS = ("customer", "used_at")
DEFAULT_KIND = Kind.KB_MOBILE_CERTIFICATE
TEXT_MAX = 256
_COLUMNS = frozenset(COLUMNS)
_UNIX_SECONDS = re.compile(r"-?\d{1,10}", re.ASCII)

Choice = TypeVar("Choice", bound=StrEnum)


class BadLine(Exception):
    """A line that cannot be taken. The message says why; where, says who reads the file."""


class FactName(StrEnum):
    ISSUED = "issued"
    USED = "used"
    REFUSED = "refused"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    REVOKED = "revoked"
    RENEWAL_REQUESTED = "renewal_requested"
    RENEWAL_OBJECTED = "renewal_objected"
    POLICY_SWITCHED = "policy_switched"
    RENEWED = "renewed"
    EXPIRED = "expired"


_FACTS = {each.value: each for each in FactName}
_KINDS = {each.value: each for each in Kind}
_MODES = {each.value: each for each in SwitchMode}


class FactLine(NamedTuple):
    """A line of a facts file, checked by itself. `customer` and `kind` are None where the line says nothing."""

    at: datetime
    credential: str
    name: FactName
    customer: str | None = None
    kind: Kind | None = None
    channel: str = "app"
    purpose: str | None = None
    reason: str | None = None
    policy: str | None = None
    mode: SwitchMode = SwitchMode.KEEP
    expires_at: datetime | None = None


def fact_line(written: Mapping[str, object]) -> FactLine:
    """Return the fact of a line. Raises BadLine."""
    if not written.keys() <= _COLUMNS:
        unknown = min(written.keys() - _COLUMNS)
        raise BadLine(f"unknown field {unknown!r}: a fact has {', '.join(COLUMNS)}")
    texts = _texts(written)
    line = FactLine(
        at=_moment("at", _required(texts, "at")),
        credential=_required(texts, "credential"),
        name=_choice(_FACTS, "fact", _required(texts, "fact")),
        customer=texts.get("customer"),
        kind=_choice(_KINDS, "kind", texts["kind"]) if "kind" in texts else None,
        channel=texts.get("channel", "app"),
        purpose=texts.get("purpose"),
        reason=texts.get("reason"),
        policy=texts.get("policy"),
        mode=_choice(_MODES, "mode", texts["mode"]) if "mode" in texts else SwitchMode.KEEP,
        expires_at=_moment("expires_at", texts["expires_at"]) if "expires_at" in texts else None,
    )
    if line.name is FactName.POLICY_SWITCHED and line.policy is None:
        raise BadLine("policy_switched needs the field 'policy'")
    return line


def use_line(written: Mapping[str, object]) -> tuple[str, datetime]:
    """Return customer and moment of a uses file's line. Raises BadLine."""
    texts = _texts(written)
    seconds = _required(texts, "used_at")
    if _UNIX_SECONDS.fullmatch(seconds) is None:
        raise BadLine(f"used_at is {seconds!r}: write Unix seconds, like 1710464400")
    at = datetime.fromtimestamp(int(seconds), UTC)
    return _required(texts, "customer"), _in_range("used_at", at)


def fact_of(line: FactLine, switches: Mapping[str, PolicyRef]) -> Fact:
    """Return the domain's fact of any line but an issue; `switches` holds the policies by their names."""
    at = line.at
    match line.name:
        case FactName.USED:
            return credential.Use(at=at, channel=line.channel, purpose=line.purpose)
        case FactName.REFUSED:
            return credential.RecordRefusal(at=at, channel=line.channel, purpose=line.purpose)
        case FactName.SUSPENDED:
            return credential.Suspend(at=at, reason=line.reason)
        case FactName.RESUMED:
            return credential.Resume(at=at)
        case FactName.REVOKED:
            return credential.Revoke(at=at, reason=line.reason)
        case FactName.RENEWAL_REQUESTED:
            return credential.RequestRenewal(at=at)
        case FactName.RENEWAL_OBJECTED:
            return credential.ObjectToRenewal(at=at)
        case FactName.POLICY_SWITCHED:
            return credential.SwitchPolicy(at=at, policy=switches[line.policy or ""], mode=line.mode)
        case FactName.RENEWED:
            return credential.ObserveRenewal(at=at, expires_at=line.expires_at)
        case FactName.EXPIRED:
            return credential.ObserveExpiry(at=at)
        case FactName.ISSUED:
            raise ValueError("an issue begins a history; it is no fact within one")


@dataclass(slots=True)
class _Seen:
    last_at: datetime
    owner: str | None


class FactOrder:
    """What the lines before say of a line: time order, and for a facts file one issue before all else.

    Kept for each credential of a facts file, or each customer of a uses file.
    """

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def knows(self, name: str) -> bool:
        return name in self._seen

    def learn(self, name: str, *, last_at: datetime, owner: str | None) -> None:
        """Take over what is held of a name already; an owner of None is not known."""
        self._seen[name] = _Seen(last_at=last_at, owner=owner)

    def check_fact(self, line: FactLine) -> None:
        """Take note of a fact. Raises BadLine, and then the line is as if it had not been."""
        seen = self._seen.get(line.credential)
        if line.name is FactName.ISSUED:
            if seen is not None:
                raise BadLine(f"{line.credential} is issued already: a credential is issued once")
            self.learn(line.credential, last_at=line.at, owner=line.customer or line.credential)
            return
        if seen is None:
            raise BadLine(f"{line.credential} has a fact ({line.name}) before it was issued")
        if None not in (line.customer, seen.owner) and line.customer != seen.owner:
            raise BadLine(f"{line.credential} is of another customer than at its issue")
        self._check_time(line.credential, seen, line.at)

    def check_use(self, customer: str, at: datetime) -> None:
        """Take note of an attempt. Raises BadLine when it goes back in time."""
        seen = self._seen.setdefault(customer, _Seen(last_at=at, owner=customer))
        self._check_time(customer, seen, at)

    def _check_time(self, name: str, seen: _Seen, at: datetime) -> None:
        if at < seen.last_at:
            raise BadLine(f"{name} goes back in time: what came before is of {seen.last_at.isoformat()}")
        seen.last_at = at


def _texts(written: Mapping[str, object]) -> Mapping[str, str]:
    """Return what the fields say; one that says nothing is as if absent."""
    if _all_plain(written):
        return written
    return {key: _text(key, value) for key, value in written.items() if value is not None and value != ""}


def _all_plain(written: Mapping[str, object]) -> TypeGuard[Mapping[str, str]]:
    """Tell at one look that nothing is wrong with any field: so it is with nearly every line."""
    try:
        joined = "".join(cast("Iterable[str]", written.values()))
    except TypeError:
        return False
    return len(joined) <= TEXT_MAX and joined.isascii() and "\0" not in joined and "" not in written.values()


def _text(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise BadLine(f"{key} must be a text in quotes")
    if len(value) > TEXT_MAX or "\0" in value:
        raise BadLine(f"{key} is longer than {TEXT_MAX} characters, or holds a zero byte")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise BadLine(f"{key} holds half of a character, which no encoding can write")
    return value


def _required(texts: Mapping[str, str], key: str) -> str:
    value = texts.get(key)
    if value is None:
        raise BadLine(f"the field {key!r} is missing")
    return value


def _moment(key: str, value: str) -> datetime:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise BadLine(f"{key} is {value!r}: write ISO 8601 with offset, like 2024-03-15T10:00:00+09:00") from None
    if at.tzinfo is None:
        raise BadLine(f"{key} is {value!r}: a time needs its offset, like +09:00 or Z")
    return _in_range(key, at)


def _in_range(key: str, at: datetime) -> datetime:
    try:
        moment = at.astimezone(UTC)
    except OverflowError:
        moment = LATEST
    if not EARLIEST <= moment < LATEST:
        raise BadLine(f"{key} lies outside the years {EARLIEST.year} to {LATEST.year - 1}")
    return moment


def _choice(choices: Mapping[str, Choice], key: str, value: str) -> Choice:
    choice = choices.get(value)
    if choice is None:
        raise BadLine(f"{key} is {value!r}: it is one of {', '.join(choices)}")
    return choice
