"""Use: why one is refused, and what a refused one was."""

from uuid import UUID

import pytest

from sealbook.domain import credential
from sealbook.domain.credential import (
    Event,
    Fact,
    IdLinked,
    Locked,
    RecordRefusal,
    ResetRequired,
    Revoked,
    Suspended,
    UnlockMethodSet,
    Use,
    UseEvidence,
    UseRefused,
    fact_of,
    refusal_of_use,
)
from sealbook.domain.credential.standing import Lockout
from sealbook.domain.errors import Refusal
from sealbook.domain.values import Kind, Network, UnlockMethod
from tests.domain.examples import (
    APRIL_2026,
    BOOK,
    END,
    FOREVER_N,
    GRACE_END,
    GRACE_G,
    ID_1,
    ID_2,
    ISSUE,
    LAST_INSTANT,
    MOBILE,
    NEVER_NV,
    OTHER_PHONE,
    PERSON,
    PHONE,
    SUMMER,
    USE_D,
    credential_after,
    expired,
    issued_under,
    kinds_with,
    refused,
    used,
)
from tests.scenario import given

ISSUED, ENDLESS = issued_under(USE_D), issued_under(FOREVER_N)

# --- Why one is refused: the state by precedence, then what is wrong with the use itself.

LOST = Suspended(at=SUMMER, reason="loss_reported")
RESET = ResetRequired(at=SUMMER)
LOCKED = Locked(at=SUMMER, for_good=False)
LINKED = IdLinked(at=ISSUE, bank_id=ID_1, owner=PERSON, purpose="family")


@pytest.mark.parametrize(
    ("since", "reason"),
    [
        ((LOCKED,), Refusal.LOCKED),
        ((LOCKED, RESET), Refusal.RESET_REQUIRED),
        ((LOCKED, RESET, LOST), Refusal.SUSPENDED),
        ((LOCKED, RESET, LOST, expired(USE_D)), Refusal.EXPIRED),
        ((LOCKED, RESET, LOST, Revoked(at=SUMMER, reason=None)), Refusal.REVOKED),
        ((LOCKED, RESET, LOST, expired(GRACE_G, grace_until=GRACE_END), Revoked(at=END, reason=None)), Refusal.REVOKED),
    ],
    ids=["locked", "reset required", "suspended", "expired", "revoked", "revoked in the grace"],
)
def test_the_gravest_condition_is_the_reason(since: tuple[Event, ...], reason: Refusal) -> None:
    held = credential_after(ENDLESS, *since)

    given(ENDLESS, *since, policies=BOOK).when(Use(at=APRIL_2026, device=PHONE)).then(refused(APRIL_2026, reason))
    assert refusal_of_use(held, APRIL_2026, device=None) is reason


def test_before_a_recorded_lapse_the_credential_was_not_expired() -> None:
    held = credential_after(ISSUED, expired(USE_D))

    assert refusal_of_use(held, LAST_INSTANT, device=None) is None
    assert refusal_of_use(held, END, device=None) is Refusal.EXPIRED


@pytest.mark.parametrize(("device", "reason"), [(PHONE, None), (OTHER_PHONE, Refusal.WRONG_DEVICE)])
def test_what_would_be_refused_is_told_before(device: UUID, reason: Refusal | None) -> None:
    assert refusal_of_use(credential_after(issued_under(USE_D, device=PHONE)), SUMMER, device=device) is reason


STRICT = kinds_with(MOBILE, on_device={"public_wifi": "refuse"})
FAULTS = (
    Refusal.WRONG_DEVICE,
    Refusal.BAD_PROOF,
    Refusal.REPLAY,
    Refusal.UNLOCK_METHOD,
    Refusal.NETWORK,
    Refusal.NOT_LINKED,
    Refusal.SCOPE,
    None,
)


def use_with_faults_from(place: int) -> Use:
    """A use in which everything is wrong from a place of the order on, and nothing before it."""
    evidence = UseEvidence(
        counter=8 if place > 2 else 7,
        unlock_method=UnlockMethod.PIN if place > 3 else UnlockMethod.FACE,
        network=Network.MOBILE if place > 4 else Network.PUBLIC_WIFI,
        linked_id=ID_1 if place > 5 else ID_2,
    )
    device, purpose = PHONE if place > 0 else OTHER_PHONE, "transfer" if place > 6 else "shopping"
    return Use(at=SUMMER, device=device, proven=place > 1, purpose=purpose, evidence=evidence)


@pytest.mark.parametrize("place", range(len(FAULTS)), ids=map(str, FAULTS))
def test_the_faults_of_a_use_are_told_in_order(place: int) -> None:
    history = (
        issued_under(NEVER_NV, device=PHONE),
        UnlockMethodSet(at=ISSUE, method=UnlockMethod.PIN),
        LINKED,
        used(ISSUE, evidence=UseEvidence(counter=7)),
    )

    first, *_ = credential.decide(credential_after(*history), use_with_faults_from(place), BOOK, STRICT)

    assert (first.reason if isinstance(first, UseRefused) else None) is FAULTS[place]


@pytest.mark.parametrize(
    ("kind", "purpose", "passes"),
    [
        (Kind.MOBILE_OTP, "login", True),
        (Kind.MOBILE_OTP, "tax_filing", False),
        (Kind.FINANCIAL_CERTIFICATE, "tax_filing", True),
        (Kind.FINANCIAL_CERTIFICATE, "shopping", False),
        (Kind.JOINT_UNIVERSAL, "shopping", True),
        (Kind.JOINT_UNIVERSAL, "a purpose that nobody knows", False),
    ],
)
def test_a_use_is_for_what_the_kind_is_for(kind: Kind, purpose: str, passes: bool) -> None:
    expected = used(SUMMER, purpose=purpose) if passes else refused(SUMMER, Refusal.SCOPE, purpose=purpose)

    given(issued_under(USE_D, kind=kind), policies=BOOK).when(Use(at=SUMMER, purpose=purpose)).then(expected)


@pytest.mark.parametrize("network", list(Network))
@pytest.mark.parametrize("rule", ["warn", "refuse"])
def test_public_wifi_is_refused_where_the_kind_says_so(network: Network, rule: str) -> None:
    over = UseEvidence(network=network)
    refuses = rule == "refuse" and network is Network.PUBLIC_WIFI
    expected = refused(SUMMER, Refusal.NETWORK) if refuses else used(SUMMER, evidence=over)
    kinds = kinds_with(MOBILE, on_device={"public_wifi": rule})

    given(ISSUED, policies=BOOK, kinds=kinds).when(Use(at=SUMMER, evidence=over)).then(expected)


def test_a_use_keeps_what_came_with_it() -> None:
    evidence = UseEvidence(counter=3, network=Network.MOBILE, linked_id=ID_1, relying_party="gov24")

    given(ISSUED, LINKED, policies=BOOK).when(Use(at=SUMMER, evidence=evidence)).then(used(SUMMER, evidence=evidence))


def test_a_refused_use_moves_nothing_but_the_count_of_wrong_proofs() -> None:
    assert credential_after(ISSUED, refused(SUMMER, Refusal.SCOPE)) == credential_after(ISSUED)
    assert credential_after(ISSUED, refused(SUMMER, Refusal.BAD_PROOF, failures=3)).lockout == Lockout(failures=3)


# --- Replay.


@pytest.mark.parametrize(
    ("event", "fact"),
    [
        (used(SUMMER, channel="web", purpose="login"), Use(at=SUMMER, channel="web", purpose="login")),
        (used(SUMMER, evidence=UseEvidence(counter=3)), Use(at=SUMMER)),
        *(
            (refused(SUMMER, reason, channel="web", purpose="login"), Use(at=SUMMER, channel="web", purpose="login"))
            for reason in (Refusal.EXPIRED, Refusal.REVOKED, Refusal.SUSPENDED)
        ),
        *(
            (
                refused(SUMMER, reason, channel="web", purpose="login", failures=2),
                RecordRefusal(at=SUMMER, channel="web", purpose="login", failures=2),
            )
            for reason in (Refusal.BAD_PROOF, Refusal.LOCKED, Refusal.RESET_REQUIRED, Refusal.REPORTED)
        ),
    ],
)
def test_an_attempt_is_a_fact_unless_it_was_refused_for_what_it_was(event: Event, fact: Fact) -> None:
    assert fact_of(event) == fact
