"""Custody of a device: lost and found, stolen for good, or followed by another."""

from dataclasses import replace
from datetime import timedelta

import pytest

from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.device import (
    App,
    Command,
    ConfirmReplacement,
    DeviceBound,
    DeviceRegistered,
    DeviceRestored,
    DeviceRetired,
    DeviceSuspended,
    Event,
    HandoverOffered,
    OfferHandover,
    Recover,
    ReportLost,
    fold,
    registered,
)
from sealbook.domain.errors import Refusal
from tests.domain.examples import ISSUE, PERSON, SUMMER
from tests.scenario import given

REGISTERED = DeviceRegistered(
    at=ISSUE, model="SM-S921N", os_version="14", app=App(version="6.2.0", store="google_play")
)
BOUND = DeviceBound(at=ISSUE, customer=PERSON)
LOST = DeviceSuspended(at=SUMMER, theft=False)
STOLEN = DeviceSuspended(at=SUMMER, theft=True)
RESTORED = DeviceRestored(at=SUMMER, evidence="branch-1")
RETIRED = DeviceRetired(at=SUMMER)
REPORT = ReportLost(at=SUMMER, theft=False)
REPORT_THEFT = ReportLost(at=SUMMER, theft=True)
RECOVER = Recover(at=SUMMER, evidence="branch-1")

# --- Loss and theft


def test_a_loss_or_a_theft_suspends_the_device() -> None:
    given(REGISTERED, BOUND).when(REPORT).then(LOST)
    given(REGISTERED, BOUND).when(REPORT_THEFT).then(STOLEN)


def test_the_same_report_again_does_nothing() -> None:
    given(REGISTERED, LOST).when(REPORT).then()
    given(REGISTERED, STOLEN).when(REPORT_THEFT).then()


def test_a_loss_that_proves_a_theft_is_news_and_not_the_other_way_round() -> None:
    given(REGISTERED, LOST).when(REPORT_THEFT).then(STOLEN)
    given(REGISTERED, STOLEN).when(REPORT).then()


def test_a_device_that_was_found_is_as_it_was() -> None:
    assert fold([REGISTERED, BOUND, LOST, RESTORED]) == fold([REGISTERED, BOUND])


def test_a_device_that_was_found_may_be_lost_again() -> None:
    given(REGISTERED, LOST, RESTORED).when(REPORT).then(LOST)


def test_a_retired_device_cannot_be_lost() -> None:
    given(REGISTERED, RETIRED).when(REPORT).then()
    given(REGISTERED, LOST, RETIRED).when(REPORT_THEFT).then()


# --- Recovery


def test_a_lost_device_is_restored_once_its_holder_was_identified() -> None:
    given(REGISTERED, LOST).when(RECOVER).then(RESTORED)


@pytest.mark.parametrize("evidence", [None, ""], ids=["none", "empty"])
def test_a_lost_device_is_not_restored_without_evidence(evidence: str | None) -> None:
    given(REGISTERED, LOST).when(replace(RECOVER, evidence=evidence)).then_refused(Refusal.EVIDENCE)


@pytest.mark.parametrize("history", [(REGISTERED,), (REGISTERED, LOST, RESTORED)], ids=["never lost", "restored"])
def test_restoring_what_is_not_lost_does_nothing(history: tuple[Event, ...]) -> None:
    given(*history).when(RECOVER).then()


@pytest.mark.parametrize(
    "history", [(STOLEN,), (LOST, STOLEN), (STOLEN, LOST)], ids=["stolen", "lost, then stolen", "stolen, then lost"]
)
def test_theft_is_final(history: tuple[Event, ...]) -> None:
    given(REGISTERED, *history).when(RECOVER).then_refused(Refusal.PERMANENT)


def test_a_retired_device_does_not_come_back() -> None:
    given(REGISTERED, LOST, RETIRED).when(RECOVER).then_refused(Refusal.DEVICE_STATE)


# --- Handover

OFFERED = HandoverOffered(at=SUMMER, until=SUMMER + timedelta(minutes=10))
CONFIRM = ConfirmReplacement(at=SUMMER, evidence=None)


def test_a_device_offers_its_place_for_ten_minutes() -> None:
    given(REGISTERED, BOUND).when(OfferHandover(at=SUMMER)).then(OFFERED)


@pytest.mark.parametrize(
    "history", [(), (BOUND,), (BOUND, LOST), (BOUND, STOLEN)], ids=["free", "bound", "lost", "stolen"]
)
def test_a_holder_who_was_identified_may_replace_a_device(history: tuple[Event, ...]) -> None:
    given(REGISTERED, *history).when(replace(CONFIRM, evidence="branch-1")).then()


def test_a_code_of_the_old_device_replaces_it_within_its_minutes() -> None:
    given(REGISTERED, BOUND, OFFERED).when(replace(CONFIRM, at=OFFERED.until - MICROSECOND)).then()


def test_a_code_of_before_it_was_shown_replaces_nothing() -> None:
    before = replace(CONFIRM, at=OFFERED.at - MICROSECOND)

    given(REGISTERED, BOUND, OFFERED).when(replace(CONFIRM, at=OFFERED.at)).then()
    given(REGISTERED, BOUND, OFFERED).when(before).then_refused(Refusal.CODE_EXPIRED)


def test_a_code_that_comes_too_late_replaces_nothing() -> None:
    late = replace(CONFIRM, at=OFFERED.until)

    given(REGISTERED, BOUND, OFFERED).when(late).then_refused(Refusal.CODE_EXPIRED)
    given(REGISTERED, BOUND, OFFERED).when(replace(late, evidence="branch-1")).then()


def test_a_device_may_offer_its_place_anew() -> None:
    again = replace(OFFERED, at=OFFERED.until, until=OFFERED.until + timedelta(minutes=10))

    given(REGISTERED, BOUND, OFFERED).when(OfferHandover(at=OFFERED.until)).then(again)
    given(REGISTERED, BOUND, OFFERED, again).when(replace(CONFIRM, at=OFFERED.until)).then()


@pytest.mark.parametrize("evidence", [None, ""], ids=["none", "empty"])
def test_without_a_code_or_evidence_nothing_is_replaced(evidence: str | None) -> None:
    given(REGISTERED, BOUND).when(replace(CONFIRM, evidence=evidence)).then_refused(Refusal.EVIDENCE)


@pytest.mark.parametrize("loss", [LOST, STOLEN], ids=["lost", "stolen"])
def test_a_lost_device_vouches_for_none(loss: Event) -> None:
    given(REGISTERED, BOUND, OFFERED, loss).when(CONFIRM).then_refused(Refusal.EVIDENCE)
    given(REGISTERED, BOUND, OFFERED, loss, RESTORED).when(CONFIRM).then_refused(Refusal.EVIDENCE)
    given(REGISTERED, BOUND, loss).when(OfferHandover(at=SUMMER)).then_refused(Refusal.DEVICE_STATE)


def test_a_retired_device_offers_nothing() -> None:
    given(REGISTERED, BOUND, OFFERED, RETIRED).when(CONFIRM).then_refused(Refusal.EVIDENCE)
    given(REGISTERED, RETIRED).when(OfferHandover(at=SUMMER)).then_refused(Refusal.DEVICE_STATE)


# --- In which state


@pytest.mark.parametrize(
    "command", [REPORT, RECOVER, OfferHandover(at=SUMMER), CONFIRM], ids=lambda command: type(command).__name__
)
def test_nothing_becomes_of_a_device_that_is_not_registered(command: Command) -> None:
    given().when(command).then_refused(Refusal.DEVICE_STATE)


def test_what_happened_to_a_device_is_known() -> None:
    device = registered(fold([REGISTERED, BOUND, OFFERED, STOLEN]))

    assert (device.customer, device.suspended, device.stolen, device.retired) == (PERSON, True, True, False)
    assert (device.handover_until, registered(fold([REGISTERED, RETIRED])).retired) == (None, True)
