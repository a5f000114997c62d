"""A live history, read as facts and replayed, comes to the same decisions; what holds for proofs and locks."""

from collections.abc import Iterable

from hypothesis import given

from sealbook.domain import credential
from sealbook.domain.credential import (
    AutoRenewed,
    Command,
    CompleteReset,
    Credential,
    Event,
    Expired,
    Issue,
    Issued,
    PolicySwitched,
    Renewed,
    ReportLoss,
    RequireReset,
    ResetCompleted,
    Resume,
    Resynchronized,
    Unlock,
    Use,
    Used,
    UseEvidence,
    UseRefused,
    fact_of,
    fold,
    issued,
)
from sealbook.domain.credential.use import of_itself
from sealbook.domain.policy import PolicyBook
from tests.domain.examples import (
    APRIL_2026,
    AUTUMN_2025,
    BOOK,
    CLOCK_X,
    GRACE_G,
    LATER,
    OTHER_PHONE,
    PHONE,
    SUMMER,
    WINTER_2026,
    credential_after,
    issued_under,
)
from tests.domain.lives import HASTY, SAFE, THOROUGH, Life, lives


def replayed(history: Iterable[Event], book: PolicyBook) -> tuple[Event, ...]:
    """What the facts of a history come to, as a what-if replays them."""
    events: list[Event] = []
    for event in history:
        fact = _issue(event) if isinstance(event, Issued) else fact_of(event)
        events.extend(() if fact is None else credential.adopt(fold(events), fact, book))
    return tuple(events)


def _issue(event: Issued) -> Issue:
    return Issue(at=event.at, customer=event.customer, kind=event.kind, holder=event.holder, policy=event.policy)


def decisions(history: Iterable[Event]) -> list[Event]:
    return [
        event
        for event in history
        if isinstance(event, AutoRenewed | Renewed | Expired | PolicySwitched)
        or (isinstance(event, UseRefused) and not of_itself(event))
    ]


def standing(state: Credential) -> tuple[object, ...]:
    """The part of a state that decides about renewals."""
    term = state.term
    return (
        *(term.bounds, term.uses, term.renewals, term.objected, state.policy, state.lockout),
        *(state.suspended, state.revoked, state.lapsed_at, state.grace_until),
    )


@THOROUGH
@given(lives())
def test_a_live_history_replayed_comes_to_the_same_decisions(life: Life) -> None:
    history = life.events()
    again = replayed(history, life.policies)

    assert decisions(again) == decisions(history)
    assert standing(credential_after(*again)) == standing(credential_after(*history))


# --- Histories that a replay must not mistake.


def lived(issue: Issued, *commands: Command) -> tuple[Event, ...]:
    return Life(issue, list(commands), BOOK).events()


def renewals(history: Iterable[Event]) -> int:
    return sum(isinstance(event, AutoRenewed) for event in history)


def check_alike(history: tuple[Event, ...], *, renewed: int) -> None:
    assert decisions(replayed(history, BOOK)) == decisions(history)
    assert renewals(history) == renewed


def test_a_lock_stops_a_replayed_renewal_by_the_clock_too() -> None:
    issue, used_once = issued_under(CLOCK_X, device=PHONE), Use(at=AUTUMN_2025, device=PHONE)
    guesses = [Use(at=WINTER_2026, device=PHONE, proven=False)] * 2
    settled = Use(at=LATER, device=PHONE)

    check_alike(lived(issue, used_once, *guesses, settled), renewed=0)
    check_alike(lived(issue, used_once, *guesses, Unlock(at=WINTER_2026, evidence="7"), settled), renewed=1)


def test_a_loss_stops_a_replayed_renewal_by_the_clock_too() -> None:
    issue, used_once = issued_under(CLOCK_X, device=PHONE), Use(at=AUTUMN_2025, device=PHONE)
    lost, settled = ReportLoss(at=WINTER_2026), Use(at=LATER, device=PHONE)

    check_alike(lived(issue, used_once, lost, settled), renewed=0)
    check_alike(lived(issue, used_once, lost, Resume(at=WINTER_2026, evidence="7"), settled), renewed=1)


IN_GRACE = issued_under(GRACE_G, device=PHONE)


def test_a_use_that_could_not_end_the_grace_does_not_end_it_in_a_replay() -> None:
    right, wrong = Use(at=APRIL_2026, device=PHONE), Use(at=APRIL_2026, device=PHONE, proven=False)
    reset = CompleteReset(at=APRIL_2026, evidence="7", key_rolled=False, attestation=SAFE)

    check_alike(lived(IN_GRACE, Use(at=APRIL_2026, device=OTHER_PHONE)), renewed=0)
    check_alike(lived(IN_GRACE, wrong), renewed=0)
    check_alike(lived(IN_GRACE, wrong, wrong, right), renewed=0)
    check_alike(lived(IN_GRACE, RequireReset(at=SUMMER), right), renewed=0)
    check_alike(lived(IN_GRACE, RequireReset(at=SUMMER), right, reset, right), renewed=1)


# --- Proofs and locks.


@THOROUGH
@given(lives())
def test_codes_and_counters_only_grow(life: Life) -> None:
    timecode, counter = -1, 0
    for event in life.events():
        evidence = (event.evidence if isinstance(event, Used) else None) or UseEvidence()
        code = event.timecode if isinstance(event, Resynchronized) else evidence.timecode
        if code is not None:
            assert code > timecode
            timecode = code
        if isinstance(event, ResetCompleted) and event.key_rolled:
            counter = 0
        if evidence.counter is not None:
            assert evidence.counter > counter or not counter
            counter = evidence.counter or counter


@THOROUGH
@given(lives())
def test_as_many_wrong_proofs_as_the_kind_allows_have_locked_it(life: Life) -> None:
    limits = HASTY.kind(life.issued.kind).lockout
    for step in life.steps():
        after = issued(fold(step.events, since=step.before)).lockout

        assert after.locked or after.failures < limits.soft
        assert after.for_good or after.failures < limits.hard
        assert after.locked or not after.for_good


@THOROUGH
@given(lives())
def test_a_use_is_always_answered(life: Life) -> None:
    for step in life.steps():
        if isinstance(step.command, Use) and not step.refused:
            assert any(isinstance(event, Used | UseRefused) for event in step.events)
        assert not step.refused or not step.events


@THOROUGH
@given(lives(in_order=True))
def test_no_use_passes_from_a_reported_loss_until_it_is_resumed(life: Life) -> None:
    for step in life.steps():
        for state, event, _ in step.each():
            if isinstance(event, Used):
                assert state.reported_at is None
