"""Loss, theft and copies: told at once, and held in the same breath."""

from dataclasses import replace

import pytest

from sealbook.domain.credential import (
    CloneSuspected,
    Command,
    Event,
    Locked,
    LossReported,
    ReportLoss,
    Resumed,
    Revoked,
    SignalClone,
    Suspended,
    Use,
    fact_of,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.values import SuspensionReason
from tests.domain.examples import (
    APRIL_2026,
    AUTUMN_2025,
    BOOK,
    GRACE_END,
    GRACE_G,
    ISSUE,
    SOON,
    SUMMER,
    USE_D,
    credential_after,
    expired,
    issued_under,
    refused,
)
from tests.scenario import given

ISSUED = issued_under(USE_D)
LOST = LossReported(at=SUMMER, lost_at=ISSUE, theft=False)
STOLEN = LossReported(at=SUMMER, lost_at=None, theft=True)
COPIED = CloneSuspected(at=SUMMER, evidence="two phones")
HELD_FOR_LOSS = Suspended(at=SUMMER, reason=SuspensionReason.LOSS_REPORTED)
HELD_FOR_THEFT = Suspended(at=SUMMER, reason=SuspensionReason.THEFT_REPORTED)
HELD_FOR_COPY = Suspended(at=SUMMER, reason=SuspensionReason.CLONE_SUSPECTED)
SUSPENDED = Suspended(at=ISSUE, reason="requested")


# --- Loss and theft.


def test_a_loss_suspends_at_once() -> None:
    given(ISSUED, policies=BOOK).when(ReportLoss(at=SUMMER, lost_at=ISSUE)).then(LOST, HELD_FOR_LOSS)


def test_a_theft_suspends_at_once() -> None:
    given(ISSUED, policies=BOOK).when(ReportLoss(at=SUMMER, theft=True)).then(STOLEN, HELD_FOR_THEFT)


@pytest.mark.parametrize(
    ("told", "theft"),
    [((LOST, HELD_FOR_LOSS), False), ((STOLEN, HELD_FOR_THEFT), False), ((STOLEN, HELD_FOR_THEFT), True)],
    ids=["a loss", "a loss of what was stolen", "a theft"],
)
def test_telling_it_again_does_nothing(told: tuple[Event, ...], theft: bool) -> None:
    given(ISSUED, *told, policies=BOOK).when(ReportLoss(at=SOON, theft=theft)).then()


def test_a_loss_may_turn_out_to_be_a_theft() -> None:
    stolen = LossReported(at=SOON, lost_at=None, theft=True)

    given(ISSUED, LOST, HELD_FOR_LOSS, policies=BOOK).when(ReportLoss(at=SOON, theft=True)).then(stolen)
    after = credential_after(ISSUED, LOST, HELD_FOR_LOSS, stolen)
    assert (after.stolen, after.reported_at, after.suspended_at) == (True, SUMMER, SUMMER)
    assert after.suspended_for == SuspensionReason.THEFT_REPORTED


def test_a_theft_stays_one_when_a_loss_is_told_after_it() -> None:
    assert credential_after(ISSUED, STOLEN, HELD_FOR_THEFT, replace(LOST, at=SOON)).stolen


@pytest.mark.parametrize(
    ("reason", "becomes"),
    [
        ("fraud", "fraud"),
        ("clone_suspected", "clone_suspected"),
        ("customer_restricted", "loss_reported"),
        ("loss_reported", "loss_reported"),
        ("theft_reported", "loss_reported"),
        (None, "loss_reported"),
    ],
)
def test_the_loss_of_what_is_suspended_is_told_and_what_an_officer_held_outlasts_it(
    reason: str | None, becomes: str
) -> None:
    held = Suspended(at=ISSUE, reason=reason)

    given(ISSUED, held, policies=BOOK).when(ReportLoss(at=SUMMER, lost_at=ISSUE)).then(LOST)
    after = credential_after(ISSUED, held, LOST)
    assert (after.suspended_for, after.suspended_at, after.reported_at) == (becomes, ISSUE, SUMMER)
    assert not after.stolen


def test_after_it_was_found_a_loss_may_be_told_again() -> None:
    found = Resumed(at=SOON, evidence="branch 7")

    given(ISSUED, LOST, HELD_FOR_LOSS, found, policies=BOOK).when(ReportLoss(at=AUTUMN_2025)).then(
        LossReported(at=AUTUMN_2025, lost_at=None, theft=False),
        Suspended(at=AUTUMN_2025, reason=SuspensionReason.LOSS_REPORTED),
    )


def test_no_use_passes_from_the_report_on() -> None:
    given(ISSUED, LOST, HELD_FOR_LOSS, policies=BOOK).when(Use(at=SUMMER)).then(refused(SUMMER, Refusal.SUSPENDED))


def test_a_locked_credential_is_reported_lost_all_the_same() -> None:
    given(ISSUED, Locked(at=ISSUE, for_good=True), policies=BOOK).when(ReportLoss(at=SUMMER, lost_at=ISSUE)).then(
        LOST, HELD_FOR_LOSS
    )


# --- Copies.


def test_a_suspected_copy_suspends_at_once() -> None:
    given(ISSUED, policies=BOOK).when(SignalClone(at=SUMMER, evidence="two phones")).then(COPIED, HELD_FOR_COPY)


def test_a_suspected_copy_of_what_is_suspended_becomes_the_reason() -> None:
    given(ISSUED, SUSPENDED, policies=BOOK).when(SignalClone(at=SUMMER, evidence="two phones")).then(COPIED)
    assert credential_after(ISSUED, SUSPENDED, COPIED).suspended_for == SuspensionReason.CLONE_SUSPECTED


def test_each_sign_of_a_copy_is_kept() -> None:
    given(ISSUED, COPIED, HELD_FOR_COPY, policies=BOOK).when(SignalClone(at=SOON, evidence="a third")).then(
        CloneSuspected(at=SOON, evidence="a third")
    )


def test_a_suspected_copy_is_no_loss() -> None:
    copied = credential_after(ISSUED, COPIED, HELD_FOR_COPY)

    assert (copied.reported_at, copied.stolen) == (None, False)


# --- When.

COMMANDS: list[Command] = [ReportLoss(at=GRACE_END), SignalClone(at=GRACE_END, evidence="two phones")]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
@pytest.mark.parametrize("end", [(Revoked(at=SUMMER, reason=None),), ()], ids=["revoked", "lapsed"])
def test_what_has_ended_needs_no_report(end: tuple[Event, ...], command: Command) -> None:
    given(issued_under(GRACE_G), *end, policies=BOOK).when(command).then_refused(Refusal.ALREADY_FINAL)


def test_in_its_grace_a_credential_is_reported_lost() -> None:
    history = (issued_under(GRACE_G), expired(GRACE_G, grace_until=GRACE_END))

    given(*history, policies=BOOK).when(ReportLoss(at=APRIL_2026)).then(
        LossReported(at=APRIL_2026, lost_at=None, theft=False),
        Suspended(at=APRIL_2026, reason=SuspensionReason.LOSS_REPORTED),
    )


@pytest.mark.parametrize("event", [LOST, COPIED], ids=lambda event: type(event).__name__)
def test_for_a_replay_the_suspension_that_follows_is_the_fact(event: Event) -> None:
    assert fact_of(event) is None
