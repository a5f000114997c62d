"""What a batch of decisions sees: the loaded heads, moved on by each command before."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID
from weakref import proxy

from sealbook.application.names import Name, NameKind, Ref
from sealbook.application.ports import NO_HEAD, Head
from sealbook.domain import credential, customer, device
from sealbook.domain.catalogue import Aggregate, Event
from sealbook.domain.credential import Application, Credential
from sealbook.domain.customer import Customer
from sealbook.domain.device import Device
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.kind_document import KindBook
from sealbook.domain.ledger import LEDGER_STREAM, NEW, Ledger
from sealbook.domain.policy import UNKNOWN, Policy, PolicyBook

State = TypeVar("State", Customer, Device, Policy, Ledger)


class NotLoaded(Exception):
    """A decision reads what has not been loaded. The batch loads it and decides anew."""

    def __init__(self, missing: Ref) -> None:
        super().__init__("a head or name is not loaded")
        self.missing = missing


@dataclass(slots=True, kw_only=True)
class Decided:
    """What one command read and would write."""

    read: set[UUID]
    asked: set[Name]
    heads: dict[UUID, Head]
    names: dict[Name, UUID]
    owners: dict[UUID, UUID]
    erased: dict[UUID, UUID]
    events: list[tuple[UUID, Event]]


@dataclass(frozen=True, slots=True)
class _KnownPolicy:
    """A policy, with what has to be noted of each command that asks for it."""

    policy: Policy
    asked: frozenset[Name]
    read: frozenset[UUID]


class View:
    """Heads and names for one pass over a batch.

    A command's decisions stay its own until `accept`: a refused one moves nothing. Every head that
    a decision looks at is noted, so that the append can compare its version.
    """

    def __init__(self, *, heads: Mapping[UUID, Head], names: Mapping[Name, UUID | None], kinds: KindBook) -> None:
        self._heads = dict(heads)
        self._names = dict(names)
        self._known_policies: dict[str, _KnownPolicy] = {}
        self._decided = _undecided()
        self._looked_at: tuple[UUID | None, Head] = (None, NO_HEAD)
        # By a proxy: a cycle would keep all heads of a batch until the garbage collector looks.
        self.policies = PolicyBook(_LoadedPolicies(proxy(self)))
        self.kinds = kinds

    def begin(self) -> Decided:
        """Start a command and return where its reads and decisions gather."""
        self._decided = _undecided()
        self._looked_at = (None, NO_HEAD)
        return self._decided

    def accept(self) -> None:
        """Let the commands that follow see what this one decided."""
        self._heads.update(self._decided.heads)
        self._names.update(self._decided.names)

    def find(self, ref: Ref) -> UUID | None:
        """Return the stream of an id or name, or None for a name that nothing has."""
        if isinstance(ref, UUID):
            return ref
        self._decided.asked.add(ref)
        if ref in self._decided.names:
            return self._decided.names[ref]
        if ref not in self._names:
            raise NotLoaded(ref)
        return self._names[ref]

    def resolve(self, ref: Ref) -> UUID:
        """Return the stream of an id or name. Raises Refused(not_found)."""
        stream = self.find(ref)
        if stream is None:
            raise Refused(Refusal.NOT_FOUND, "nothing of that name is in the ledger: check the name")
        return stream

    def check_version(self, ref: Ref, version: int) -> None:
        """Raise Refused(precondition_failed) unless a stream is at a version, Refused(not_found) if there is none."""
        if self._head(self.resolve(ref)).version != version:
            message = "it has changed since it was read: read it again, and decide anew"
            raise Refused(Refusal.PRECONDITION_FAILED, message)

    def customer(self, stream: UUID) -> customer.State:
        return self._state(Customer, stream)

    def device(self, stream: UUID) -> device.State:
        return self._state(Device, stream)

    def credential(self, stream: UUID) -> credential.State:
        state = self.aggregate(stream)
        match state:
            case Credential() | Application() | None:
                return state
            case _:
                raise Refused(Refusal.NOT_FOUND, "that id is not of a credential: check the id")

    def policy(self, stream: UUID) -> Policy:
        return self._state(Policy, stream) or UNKNOWN

    def ledger(self) -> Ledger:
        return self._state(Ledger, LEDGER_STREAM) or NEW

    def policy_named(self, policy_id: str) -> Policy | None:
        """Return a policy by its id, or None for one that nothing has: found once, and noted of each command."""
        known = self._known_policies.get(policy_id) or self._find_policy(policy_id)
        if known is None:
            return None
        self._decided.asked |= known.asked
        self._decided.read |= known.read
        return known.policy

    def claim(self, name: Name, stream: UUID, *, owner: UUID | None = None) -> None:
        """Give a stream its name, which is erased with its owner: the stream itself, unless another is named.

        Raises Refused(duplicate) if something has the name.
        """
        if self.find(name) is not None:
            raise Refused(Refusal.DUPLICATE, f"the {name.kind} name is taken: use another, or what has it")
        self._decided.names[name] = stream
        if owner is not None:
            self._decided.owners[stream] = owner
        # What is claimed begins now. If the id is taken after all, the append finds its head.
        self._heads.setdefault(stream, NO_HEAD)

    def erase_with(self, owner: UUID, subject: UUID) -> None:
        """Let what is kept of a subject go when the owner's erasure is appended."""
        self._decided.erased[subject] = owner

    def apply(self, stream: UUID, events: Sequence[Event]) -> None:
        """Note what this command decided about a stream."""
        if not events:
            return
        head = self._head(stream)
        for event in events:
            head = head.after(event)
            self._decided.events.append((stream, event))
        self._decided.heads[stream] = head
        self._looked_at = (stream, head)
        if isinstance(head.state, Policy):
            self._known_policies.clear()

    def aggregate(self, stream: UUID) -> Aggregate:
        """Return the state of whatever a stream is of. Raises Refused(not_found) for a library's own stream."""
        head = self._head(stream)
        if head.state is None and head.version > 0:
            raise Refused(Refusal.NOT_FOUND, "that id is of nothing that a command of the ledger may move")
        return head.state

    def _state(self, kind: type[State], stream: UUID) -> State | None:
        state = self.aggregate(stream)
        if state is None or isinstance(state, kind):
            return state
        raise Refused(Refusal.NOT_FOUND, f"that id is not of a {kind.__name__.lower()}: check the id")

    def _find_policy(self, policy_id: str) -> _KnownPolicy | None:
        name = Name(NameKind.POLICY, policy_id)
        stream = self.find(name)
        if stream is None:
            return None
        known = _KnownPolicy(self.policy(stream), frozenset({name}), frozenset({stream}))
        if name not in self._decided.names and stream not in self._decided.heads:
            # What this command does to a policy stays its own until it is accepted.
            self._known_policies[policy_id] = known
        return known

    def _head(self, stream: UUID) -> Head:
        # A command looks at one stream again and again, and to hash its id is what costs most of a look.
        looked_at, head = self._looked_at
        if looked_at is stream:
            return head
        head = self._decided.heads.get(stream) or self._first_look(stream)
        self._looked_at = (stream, head)
        return head

    def _first_look(self, stream: UUID) -> Head:
        self._decided.read.add(stream)
        head = self._heads.get(stream)
        if head is None:
            raise NotLoaded(stream)
        return head


def _undecided() -> Decided:
    return Decided(read=set(), asked=set(), heads={}, names={}, owners={}, erased={}, events=[])


class _LoadedPolicies(Mapping[str, Policy]):
    """The policies by id, read through the view, which notes those that a decision asks for."""

    def __init__(self, view: View) -> None:
        self._view = view

    def __getitem__(self, policy_id: str) -> Policy:
        policy = self._view.policy_named(policy_id)
        if policy is None:
            raise KeyError(policy_id)
        return policy

    def __iter__(self) -> Iterator[str]:
        raise TypeError("a view's policies are asked for one by one")

    def __len__(self) -> int:
        raise TypeError("a view's policies are asked for one by one")
