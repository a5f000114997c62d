"""The states of a credential: first an application, then the credential. Every stage reads and moves them."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.records import replace
from sealbook.domain.renewal import Bounds, Term
from sealbook.domain.values import HolderKind, Kind, PolicyRef, Service, Step, StorageLevel, UnlockMethod

# --- Before the issue


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An application on its way. `due` are the steps that are left, the next one first.

    `failures` count since the step was last retried; `awaiting` is the request to the issuer of the
    identity document that has not been answered.
    """

    customer: UUID
    kind: Kind
    holder: HolderKind
    device: UUID
    policy: PolicyRef
    replaces: UUID | None
    applied_at: datetime
    open_until: datetime
    due: tuple[Step, ...]
    fee_krw: int
    fee_version: int
    identified_at: datetime | None = None
    failures: tuple[tuple[Step, int], ...] = ()
    awaiting: str | None = None
    fee_paid: bool = False
    fee_failed: bool = False
    escalated: bool = False
    ended_at: datetime | None = None
    rejected: bool = False

    @property
    def begun_at(self) -> datetime:
        return self.applied_at

    @property
    def fee_open(self) -> bool:
        """Tell whether a fee was asked for and not paid."""
        return self.fee_failed and not self.fee_paid and self.ended_at is None

    def failures_of(self, step: Step) -> int:
        return dict(self.failures).get(step, 0)

    def failing(self, step: Step, failures: int) -> "Application":
        others = tuple(each for each in self.failures if each[0] is not step)
        return replace(self, failures=(*others, (step, failures)) if failures else others)

    def done_with(self, step: Step) -> "Application":
        return replace(self.failing(step, 0), due=tuple(each for each in self.due if each is not step))


# --- From the issue on


@dataclass(frozen=True, slots=True, kw_only=True)
class Lockout:
    """Wrong proofs in a row, over all channels. A lock is lifted by identification, one for good never."""

    failures: int = 0
    locked: bool = False
    for_good: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LastProof:
    """What was accepted last: nothing at or below it is accepted again (RFC 6238 5.2)."""

    timecode: int | None = None
    counter: int | None = None
    drift_steps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockMethods:
    """How the holder opens the credential on the phone, and failures in a row by method."""

    chosen: tuple[UnlockMethod, ...] = ()
    failures: tuple[tuple[UnlockMethod, int], ...] = ()

    def failures_of(self, method: UnlockMethod) -> int:
        return dict(self.failures).get(method, 0)

    def failing(self, method: UnlockMethod, failures: int) -> "UnlockMethods":
        others = tuple(each for each in self.failures if each[0] is not method)
        return replace(self, failures=(*others, (method, failures)) if failures else others)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedId:
    """An ID at the bank that the credential stands for. `bank_id` is a reference to it, `owner` whose ID it is."""

    bank_id: str
    owner: UUID
    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    ids: tuple[LinkedId, ...] = ()
    services: tuple[Service, ...] = ()

    def find(self, bank_id: str) -> LinkedId | None:
        return next((each for each in self.ids if each.bank_id == bank_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """An issued credential. Its conditions are independent flags, not one enumeration.

    `reported_at` is when a loss was reported, from which on the bank is liable; None once the
    device was found again. `held_from` and `held_until` are of the last suspension that was lifted.
    `secret_generation` is that of the seed in force, 0 for none.
    """

    customer: UUID
    kind: Kind
    holder: HolderKind
    issued_at: datetime
    policy: PolicyRef
    policy_since: datetime
    term: Term
    device: UUID | None = None
    suspended: bool = False
    revoked: bool = False
    lapsed_at: datetime | None = None
    grace_until: datetime | None = None
    identified_at: datetime | None = None
    storage: StorageLevel | None = None
    suspended_at: datetime | None = None
    suspended_for: str | None = None
    reported_at: datetime | None = None
    held_from: datetime | None = None
    held_until: datetime | None = None
    stolen: bool = False
    reset_required: bool = False
    revoked_at: datetime | None = None
    erased: bool = False
    secret_generation: int = 0
    lockout: Lockout = field(default=Lockout())
    last_proof: LastProof = field(default=LastProof())
    unlock_methods: UnlockMethods = field(default=UnlockMethods())
    links: Links = field(default=Links())

    @property
    def begun_at(self) -> datetime:
        return self.issued_at

    @property
    def expires_at(self) -> datetime | None:
        """The exclusive end of the present period; None if it never ends."""
        return self.term.bounds.expires_at

    @property
    def locked(self) -> bool:
        return self.lockout.locked

    def in_grace_at(self, at: datetime) -> bool:
        return self.grace_until is not None and at < self.grace_until

    def held_at(self, at: datetime) -> bool:
        """Tell whether a suspension that was lifted since stood at a moment."""
        return self.held_from is not None and self.held_until is not None and self.held_from <= at < self.held_until

    def ended_at(self, at: datetime) -> bool:
        """Tell whether nothing can change it any more."""
        return self.revoked or (self.lapsed_at is not None and not self.in_grace_at(at))

    def renewed(self, bounds: Bounds) -> "Credential":
        return replace(self, term=self.term.renewed(bounds), lapsed_at=None, grace_until=None)


State = Application | Credential | None
"""None before the application, or before the issue where none precedes it."""


def begun(state: State) -> Application | Credential:
    """Return the application or credential. Raises Refused(not_issued) before the first event."""
    if state is None:
        raise Refused(Refusal.NOT_ISSUED, "there is neither an application nor a credential: apply first")
    return state


def issued(state: State) -> Credential:
    """Return the credential. Raises Refused if none has been issued."""
    if isinstance(state, Credential):
        return state
    if state is None:
        raise Refused(Refusal.NOT_ISSUED, "the credential has not been issued: issue it first")
    if state.ended_at is None:
        raise Refused(Refusal.APPLYING, "the application is not finished: complete its steps first")
    raise Refused(Refusal.APPLICATION_ENDED, "the application was given up or rejected: apply anew")


def pending(state: State) -> Application:
    """Return the application. Raises Refused if none is open."""
    if state is None:
        raise Refused(Refusal.NOT_FOUND, "there is no such application: apply first")
    if isinstance(state, Credential):
        raise Refused(Refusal.ALREADY_ISSUED, "the credential is issued: no step is left")
    if state.ended_at is not None:
        raise Refused(Refusal.APPLICATION_ENDED, "the application was given up or rejected: apply anew")
    return state


def check_changeable(state: Credential, at: datetime) -> None:
    """Raise Refused(already_final) once revoked, or lapsed with its grace over."""
    if state.ended_at(at):
        end = "revoked" if state.revoked else "expired"
        raise Refused(Refusal.ALREADY_FINAL, f"the credential is {end} for good: issue a new one")


def check_unlapsed(state: Credential, at: datetime) -> None:
    """Raise Refused once revoked or lapsed, be it in its grace."""
    check_changeable(state, at)
    if state.lapsed_at is not None:
        raise Refused(Refusal.EXPIRED, "the credential has lapsed: in its grace only a use brings it back")


def check_usable(state: Credential, at: datetime) -> None:
    """Raise Refused unless its effective state is active, by precedence (domain 5)."""
    check_unlapsed(state, at)
    if state.suspended:
        raise Refused(Refusal.SUSPENDED, "the credential is suspended: resume it first")
    if state.reset_required:
        raise Refused(Refusal.RESET_REQUIRED, "the credential has to be set up again: complete the reset first")
    if state.locked:
        raise Refused(Refusal.LOCKED, "the credential is locked: unlock it first")
