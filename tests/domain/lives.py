"""Random lives of a credential, for the properties that hold for every one."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from sealbook.domain import credential
from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.credential import (
    Adopt,
    Attestation,
    Command,
    CompleteReset,
    ConsentToRenewal,
    Credential,
    Event,
    Fact,
    Issued,
    LinkService,
    ObjectToRenewal,
    RecordLock,
    RecordRefusal,
    RemoveUnlockMethod,
    ReportLoss,
    RequestRenewal,
    RequireReset,
    Resume,
    Resynchronize,
    Revoke,
    SendExpiryNotice,
    SendRenewalNotice,
    SetSecret,
    Settle,
    SetUnlockMethod,
    SignalClone,
    Suspend,
    SwitchPolicy,
    UnlinkService,
    Unlock,
    Use,
    UseEvidence,
    fold,
    issued,
)
from sealbook.domain.errors import Refused
from sealbook.domain.kind_document import Lockout
from sealbook.domain.policy import Announced, Policy, PolicyBook
from sealbook.domain.policy import fold as fold_policy
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import Kind, Service, StorageLevel, SwitchMode, UnlockMethod
from tests.domain.examples import ISSUE, KINDS, OTHER_PHONE, credential_after, issued_under
from tests.domain.test_replay_against_oracle import Written, moments, policies

MAIN, OTHER = "main", "other"
THOROUGH = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


HASTY = replace(
    KINDS,
    kinds={
        kind: document.model_copy(update={"lockout": Lockout(soft=2, hard=4)}) for kind, document in KINDS.kinds.items()
    },
)
"""The kinds of the package, but for locks that come early."""


@dataclass(frozen=True)
class Life:
    """A credential's issue, the commands that follow, and the policies that decide."""

    issued: Issued
    commands: list[Command]
    policies: PolicyBook

    def steps(self) -> "Iterator[Step]":
        """Decide every command in turn; a refusal changes nothing."""
        state = credential_after(self.issued)
        for command in self.commands:
            events = decided(state, command, self.policies)
            yield Step(state, command, events or (), refused=events is None)
            state = issued(fold(events or (), since=state))

    def events(self) -> tuple[Event, ...]:
        return (self.issued, *(event for step in self.steps() for event in step.events))

    def end(self) -> Credential:
        return credential_after(*self.events())


@dataclass(frozen=True)
class Step:
    before: Credential
    command: Command
    events: tuple[Event, ...]
    refused: bool

    def each(self) -> Iterator[tuple[Credential, Event, Credential]]:
        """Every event between the states that it leads from and to."""
        state = self.before
        for event in self.events:
            moved = issued(credential.evolve(state, event))
            yield state, event, moved
            state = moved


def decided(state: Credential, command: Command, book: PolicyBook) -> tuple[Event, ...] | None:
    try:
        return credential.decide(state, command, book, HASTY)
    except Refused:
        return None


def read(written: Written, policy_id: str, **more: object) -> RenewalPolicy:
    return RenewalPolicy.model_validate_json(json.dumps({**written, **more, "policy_id": policy_id}))


# Many policies renew next to nothing: half of these are generous, so that renewals come often.
generous = policies().map(
    lambda written: {**written, "min_uses": 1, "channels": ["app", "web"], "purposes": None, "max_renewals": None}
)
documents = policies() | generous


@st.composite
def books(draw: st.DrawFn) -> PolicyBook:
    """A policy, perhaps with a version that takes over by itself, and another policy."""
    state = Policy(versions=(read(draw(documents), MAIN),))
    if draw(st.booleans()):
        effect = draw(moments).isoformat()
        mode = draw(st.sampled_from(["new", "keep", "restart", "recompute"]))
        successor = read(draw(documents), MAIN, version=2, effective_from=effect, applies_to=mode)
        state = fold_policy([Announced(at=ISSUE, document=successor)], state)
    other = PolicyBook.of(read(draw(documents), OTHER))
    return PolicyBook({MAIN: state, **other.policies})


TICKS = [timedelta(), -MICROSECOND, MICROSECOND, timedelta(hours=7), -timedelta(days=10), timedelta(days=40)]


def next_moments(state: Credential, after: datetime, *, in_order: bool) -> st.SearchStrategy[datetime]:
    """Moments around the bounds where the credential stands, so that the rules bite; at times any other."""
    bounds = [state.term.bounds.eligible_from] * 3 + [after, after, state.expires_at, state.grace_until]
    near = [bound + tick for bound in bounds if bound is not None for tick in TICKS]
    later = [at for at in near if at >= after]
    ahead = st.sampled_from(later) | st.just(after + timedelta(days=100))
    if in_order:
        return ahead
    return st.one_of(ahead, ahead, ahead, st.sampled_from(near), moments)


Plain = RequestRenewal | Suspend | Resume | ObjectToRenewal | RecordRefusal | Settle | Revoke
PLAIN: list[type[Plain]] = [
    *[RequestRenewal] * 5,
    *[Suspend, Resume, Resume, ObjectToRenewal, ObjectToRenewal],
    *[RecordRefusal, Settle, Settle, Revoke],
]


Proof = UseEvidence | None
proofs: dict[Kind, st.SearchStrategy[Proof]] = {
    Kind.KB_MOBILE_CERTIFICATE: st.builds(UseEvidence, counter=st.integers(0, 9)),
    Kind.MOBILE_OTP: st.builds(UseEvidence, timecode=st.integers(0, 9), drift_steps=st.integers(-2, 2)),
}


@st.composite
def uses(draw: st.DrawFn, at: datetime, kind: Kind) -> Use:
    return Use(
        at=at,
        channel=draw(st.sampled_from(["app", "app", "web"])),
        purpose=draw(st.sampled_from([None, "login", "transfer", "shopping"])),
        device=draw(st.sampled_from([None] * 9 + [OTHER_PHONE])),
        proven=draw(st.sampled_from([True, True, False])),
        evidence=draw(st.none() | proofs[kind]),
        generation=draw(st.sampled_from([None, None, 0, 0, 0, 1])),
    )


@st.composite
def facts(draw: st.DrawFn, at: datetime, book: PolicyBook) -> Fact:
    """What a history from elsewhere may tell of, too."""
    what = draw(st.sampled_from(["use"] * 4 + ["plain"] * 3 + ["switch", "lock", "unlock"]))
    if what == "use":
        channel, purpose = draw(st.sampled_from(["app", "app", "web"])), draw(st.sampled_from([None, "login"]))
        return Use(at=at, channel=channel, purpose=purpose)
    if what == "switch":
        policy = book.policies[draw(st.sampled_from([MAIN, OTHER]))].versions[0].ref
        return SwitchPolicy(at=at, policy=policy, mode=draw(st.sampled_from(list(SwitchMode))))
    if what == "lock":
        return RecordLock(at=at, for_good=draw(st.booleans()))
    return Unlock(at=at, evidence="7") if what == "unlock" else draw(st.sampled_from(PLAIN))(at=at)


SAFE = Attestation(level=StorageLevel.SECURE_ELEMENT, digest="d1")


def events_of_daily_life(at: datetime) -> st.SearchStrategy[Fact]:
    """What happens to a credential of this ledger, and has no part in a renewal by itself."""
    return st.one_of(
        st.builds(ReportLoss, at=st.just(at), theft=st.sampled_from([False, False, True])),
        st.just(SignalClone(at=at, evidence="two phones")),
        st.just(Resume(at=at, evidence="7")),
        st.just(Unlock(at=at, evidence="7")),
        st.just(RequireReset(at=at)),
        st.builds(
            CompleteReset, at=st.just(at), evidence=st.just("7"), key_rolled=st.booleans(), attestation=st.just(SAFE)
        ),
        st.builds(SetSecret, at=st.just(at), generation=st.integers(1, 3)),
        st.builds(Resynchronize, at=st.just(at), timecode=st.integers(0, 9), drift_steps=st.integers(-3, 3)),
        st.just(SendRenewalNotice(at=at, planned_at=at)),
        st.just(SendExpiryNotice(at=at, lead="P30D")),
        st.just(ConsentToRenewal(at=at, evidence="7")),
        st.builds(SetUnlockMethod, at=st.just(at), method=st.sampled_from(UnlockMethod), evidence=st.just("7")),
        st.builds(RemoveUnlockMethod, at=st.just(at), method=st.sampled_from(UnlockMethod)),
        st.just(LinkService(at=at, service=Service.PERSONAL_BANKING, for_company=False)),
        st.just(UnlinkService(at=at, service=Service.PERSONAL_BANKING)),
    )


@st.composite
def commands(draw: st.DrawFn, at: datetime, kind: Kind, book: PolicyBook) -> Command:
    what = draw(st.sampled_from(["use"] * 4 + ["fact"] * 3 + ["adopted"] * 5 + ["daily life"] * 3))
    if what == "use":
        return draw(uses(at, kind))
    if what == "daily life":
        return draw(events_of_daily_life(at))
    fact = draw(facts(at, book))
    return Adopt(fact=fact) if what == "adopted" else fact


@st.composite
def lives(draw: st.DrawFn, *, in_order: bool = False) -> Life:
    book = draw(books())
    kind = draw(st.sampled_from([Kind.KB_MOBILE_CERTIFICATE, Kind.MOBILE_OTP]))
    issue = issued_under(book.policies[MAIN].versions[0], at=draw(moments), kind=kind)
    state, at, given = credential_after(issue), issue.at, list[Command]()
    for _ in range(draw(st.integers(3, 20))):
        at = draw(next_moments(state, at, in_order=in_order))
        given.append(draw(commands(at, kind, book)))
        state = issued(fold(decided(state, given[-1], book) or (), since=state))
    return Life(issue, given, book)
