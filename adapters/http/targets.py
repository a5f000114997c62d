"""Targets: what an address or a body names, and whether the caller may have to do with it.

A UUID is an id, anything else a name; `name:` before it says that it is a name in any case. What belongs to
somebody else is not found: an app must not learn that it is there.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sealbook.adapters.http.access import Caller, Denial, Forbidden, acts_as_app
from sealbook.application.names import Name, NameKind, Ref
from sealbook.application.ports import NO_HEAD, EventStore, Loaded
from sealbook.domain.catalogue import Aggregate
from sealbook.domain.credential import Application, Credential
from sealbook.domain.customer import Customer
from sealbook.domain.device import Device
from sealbook.domain.errors import Refusal, Refused

NAMED = "name:"
ANYTHING_LOST = (NameKind.CREDENTIAL, NameKind.DEVICE_KEY, NameKind.CUSTOMER)
_STATES: Mapping[NameKind, tuple[type, ...]] = {
    NameKind.CREDENTIAL: (Application, Credential),
    NameKind.CUSTOMER: (Customer,),
    NameKind.DEVICE_KEY: (Device,),
}


def ref_of(text: str, kind: NameKind) -> Ref:
    """Return the id or name that was written."""
    if text.startswith(NAMED):
        return Name(kind, text.removeprefix(NAMED))
    try:
        return UUID(text)
    except ValueError:
        return Name(kind, text)


def _as_key(text: str) -> str:
    """Return a key as the ledger names it. In an address it is base64url, for a slash would part it."""
    letters = text.translate({ord("-"): "+", ord("_"): "/"})
    return letters + "=" * (-len(letters) % 4)


@dataclass(frozen=True, slots=True)
class Asked:
    """A name or id as it was written, and of what it may be."""

    text: str
    kinds: tuple[NameKind, ...]
    own: bool = True
    unheld: bool = False
    """An app must own it; with `unheld`, a device that nobody holds will do."""

    @property
    def refs(self) -> tuple[Ref, ...]:
        found = [ref_of(self.text, kind) for kind in self.kinds]
        if NameKind.DEVICE_KEY in self.kinds:
            found.append(ref_of(_as_key(self.text), NameKind.DEVICE_KEY))
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Target:
    stream: UUID
    state: Aggregate

    @property
    def holder(self) -> UUID | None:
        """Whose it is: a customer's own stream, or the customer that holds the credential or device."""
        match self.state:
            case Customer():
                return self.stream
            case Credential() | Application() | Device():
                return self.state.customer
            case _:
                return None


def found(store: EventStore, asked: Sequence[Asked], *, caller: Caller) -> list[Target]:
    """Return what was asked for, in order. Raises Refused(not_found) if something is not there, or not the caller's."""
    return found_in(loaded(store, asked, caller=caller), asked, caller=caller)


def loaded(store: EventStore, asked: Sequence[Asked], *, caller: Caller, commands: Collection[UUID] = ()) -> Loaded:
    """Load what was asked for, whose it is by the caller's token, and how commands were answered."""
    if caller.own is None and acts_as_app(caller):
        raise Forbidden(Denial.OTHER_CUSTOMER)
    refs = [ref for each in asked for ref in each.refs] + ([] if caller.own is None else [caller.own])
    names = [ref for ref in refs if isinstance(ref, Name)]
    return store.load(streams=[ref for ref in refs if isinstance(ref, UUID)], names=names, commands=commands)


def found_in(known: Loaded, asked: Sequence[Asked], *, caller: Caller) -> list[Target]:
    """Return what was asked for, as `found` does, of what was loaded."""
    own = caller.own if acts_as_app(caller) else None
    holder = None if own is None else _stream(known, [own])
    targets = [_target(each, known) for each in asked]
    for each, target in zip(asked, targets, strict=True):
        if own is None:
            continue
        fine = _is_own(target, holder, unheld=each.unheld) if each.own else _acts_for(target, holder)
        if not fine:
            raise _not_there()
    return targets


def _acts_for(target: Target, holder: UUID | None) -> bool:
    """Tell whether a customer is the app's own, or a company that has it among its users."""
    if not isinstance(target.state, Customer):
        return True
    return target.stream == holder or any(user.person == holder for user in target.state.users)


def _target(asked: Asked, known: Loaded) -> Target:
    stream = _stream(known, asked.refs)
    state = None if stream is None else known.heads.get(stream, NO_HEAD).state
    if stream is None or not isinstance(state, tuple(each for kind in asked.kinds for each in _STATES[kind])):
        raise _not_there()
    return Target(stream, state)


def _stream(known: Loaded, refs: Iterable[Ref]) -> UUID | None:
    """Return the stream of the first name or id that something has."""
    for ref in refs:
        stream = ref if isinstance(ref, UUID) else known.names.get(ref)
        if stream is not None and known.heads.get(stream, NO_HEAD).version:
            return stream
    return None


def _is_own(target: Target, holder: UUID | None, *, unheld: bool) -> bool:
    if target.holder is None:
        return unheld
    return target.holder == holder


def _not_there() -> Refused:
    return Refused(Refusal.NOT_FOUND, "nothing of this name or id is here: check it")
