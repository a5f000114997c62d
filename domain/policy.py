"""Policy: the versions of one set of renewal rules, from announcement to withdrawal.

* A version, once in the ledger, never changes: events cite it by id and number.
* Versions are announced in ascending order, a month before their effect unless a law forces them.
* A version is withdrawn before it takes effect or not at all.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import ClassVar, assert_never

from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.records import replace
from sealbook.domain.values import EventType, HolderKind, Kind, PolicyRef, SwitchMode

# --- Events: facts, in the past tense. Stored for years; see docs/events.md.


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """The bank made a version known; it takes effect on its own date."""

    stored: ClassVar = EventType("policy.announced", 1)

    at: datetime
    document: RenewalPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """A version came in with an imported history: it was in force elsewhere, so it needs no notice."""

    stored: ClassVar = EventType("policy.adopted", 1)

    at: datetime
    document: RenewalPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    stored: ClassVar = EventType("policy.withdrawn", 1)

    at: datetime
    version: int


Event = Announced | Adopted | Withdrawn


# --- Commands: requests, in the imperative. Never stored.


@dataclass(frozen=True, slots=True, kw_only=True)
class Announce:
    at: datetime
    document: RenewalPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt:
    at: datetime
    document: RenewalPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    at: datetime
    version: int


Command = Announce | Adopt | Withdraw


# --- State.


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Versions ascending. `announced` names those that take over existing credentials by themselves."""

    versions: tuple[RenewalPolicy, ...] = ()
    announced: frozenset[int] = frozenset()
    withdrawn: frozenset[int] = frozenset()

    @property
    def latest_version(self) -> int:
        return self.versions[-1].version if self.versions else 0

    def version(self, number: int) -> RenewalPolicy | None:
        for policy in self.versions:
            if policy.version == number:
                return policy
        return None

    def in_force_at(self, moment: datetime) -> RenewalPolicy | None:
        """Return the highest version that has taken effect and was not withdrawn."""
        standing = (policy for policy in reversed(self.versions) if policy.version not in self.withdrawn)
        return next((policy for policy in standing if policy.in_force_at(moment)), None)


UNKNOWN = Policy()


def evolve(state: Policy, event: Event) -> Policy:
    match event:
        case Announced(document=document):
            return replace(
                state,
                versions=(*state.versions, document),
                announced=state.announced | {document.version},
            )
        case Adopted(document=document):
            return replace(state, versions=(*state.versions, document))
        case Withdrawn(version=version):
            return replace(state, withdrawn=state.withdrawn | {version})
        case _:
            assert_never(event)


def fold(history: Iterable[Event], since: Policy = UNKNOWN) -> Policy:
    return reduce(evolve, history, since)


# --- Decide.


def decide(state: Policy, command: Command) -> tuple[Event, ...]:
    """Answer a command with new facts, nothing (already so), or a refusal."""
    match command:
        case Announce(at=at, document=document):
            if _known(state, document):
                return ()
            _check_notice(document, at)
            return (Announced(at=at, document=document),)
        case Adopt(at=at, document=document):
            return () if _known(state, document) else (Adopted(at=at, document=document),)
        case Withdraw(at=at, version=version):
            return _withdraw(state, at, version)
        case _:
            assert_never(command)


def _check_notice(document: RenewalPolicy, at: datetime) -> None:
    if document.announced_at is None or document.effective_from is None:
        raise Refused(Refusal.POLICY_NOTICE, "give the policy announced_at and effective_from to announce it")
    if not document.announced_in_time:
        raise Refused(
            Refusal.POLICY_NOTICE,
            "announced_at must be a month before effective_from, or law_forced must be true",
        )
    if document.effective_from < at:
        # What was decided under the policy of its day stays decided.
        raise Refused(Refusal.POLICY_NOTICE, "effective_from is in the past: a policy cannot take effect backwards")


def _known(state: Policy, document: RenewalPolicy) -> bool:
    held = state.version(document.version)
    if held is not None and held.digest == document.digest:
        return True
    if held is not None:
        raise Refused(
            Refusal.POLICY_VERSION,
            f"policy {document.ref} is in the ledger with other content: give it the next version number",
        )
    if state.versions and document.version < state.versions[-1].version:
        raise Refused(Refusal.POLICY_VERSION, f"policy {document.ref} is older than {state.versions[-1].ref}")
    return False


def _withdraw(state: Policy, at: datetime, version: int) -> tuple[Event, ...]:
    policy = state.version(version)
    if policy is None:
        raise Refused(Refusal.NO_POLICY, f"there is no version {version} to withdraw")
    if version in state.withdrawn:
        return ()
    if policy.in_force_at(at):
        raise Refused(Refusal.POLICY_NOTICE, f"policy {policy.ref} has taken effect: announce a new version instead")
    return (Withdrawn(at=at, version=version),)


# --- What a credential's decisions read.


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A policy version takes over a credential at an instant."""

    at: datetime
    policy: PolicyRef
    mode: SwitchMode


@dataclass(frozen=True, slots=True)
class PolicyBook:
    """Every policy that the ledger, or a what-if, knows."""

    policies: Mapping[str, Policy]

    @classmethod
    def of(cls, *documents: RenewalPolicy) -> "PolicyBook":
        """Return a book of documents that stand by themselves: none takes over from another."""
        versions: dict[str, tuple[RenewalPolicy, ...]] = {}
        for document in documents:
            versions[document.policy_id] = (*versions.get(document.policy_id, ()), document)
        return cls({policy_id: Policy(versions=held) for policy_id, held in versions.items()})

    def policy(self, ref: PolicyRef) -> RenewalPolicy:
        """Return a version's document. Raises Refused(no_policy)."""
        found = self.policies.get(ref.policy_id, UNKNOWN).version(ref.version)
        if found is None:
            raise Refused(Refusal.NO_POLICY, f"policy {ref} is not known: adopt it first")
        return found

    def in_force(self, policy_id: str, moment: datetime) -> RenewalPolicy:
        """Return the version in force at a moment. Raises Refused(no_policy)."""
        found = self.policies.get(policy_id, UNKNOWN).in_force_at(moment)
        if found is None:
            raise Refused(Refusal.NO_POLICY, f"no version of policy {policy_id} is in force: adopt one first")
        return found

    def next_switch(self, current: PolicyRef, *, after: datetime, kind: Kind, holder: HolderKind) -> Switch | None:
        """Return when a later announced version takes over a credential by itself (A10)."""
        held = self.policies.get(current.policy_id, UNKNOWN)
        if held.latest_version <= current.version:
            # So it mostly is, and it is asked before each command.
            return None
        later = [
            Switch(at=policy.effective_from, policy=policy.ref, mode=SwitchMode(policy.applies_to))
            for policy in held.versions
            if policy.version > current.version
            and policy.version in held.announced - held.withdrawn
            and policy.applies_to != "new"
            and policy.effective_from is not None
            and policy.effective_from > after
            and policy.concerns(kind=kind, holder=holder)
        ]
        # Of two that take effect at once, the higher is in force.
        return min(later, key=lambda switch: (switch.at, -switch.policy.version), default=None)
